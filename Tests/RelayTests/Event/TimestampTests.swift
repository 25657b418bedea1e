import Foundation
import Relay
import Testing

@Suite struct TimestampTests {
    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0),
            ("2019-10-24T14:21:28.577Z", 1_571_926_888_577_000_000),
            ("2025-10-10T11:36:46.282226397Z", 1_760_096_206_282_226_397),
            ("2024-06-17T22:01:21.809026Z", 1_718_661_681_809_026_000),
            ("2024-02-29T23:59:59.5Z", 1_709_251_199_500_000_000),
            ("2024-01-01T01:00:00+01:00", 1_704_067_200_000_000_000),
            ("2023-12-31T22:30:00.1-01:30", 1_704_067_200_100_000_000),
            ("1969-12-31T23:59:59.999999999Z", -1),
            ("2024-01-01t00:00:00z", 1_704_067_200_000_000_000),
            ("2024-01-01T00:00:00.1234567891234Z", 1_704_067_200_123_456_789),
        ] as [(String, Int64)])
    func reads(_ text: String, _ nanoseconds: Int64) throws {
        let timestamp = try #require(Timestamp(text))
        #expect(timestamp.nanoseconds == nanoseconds)
        #expect(timestamp.description == text)
    }

    @Test(arguments: [
        "", "2024", "2024-01-01", "2024-01-01T00:00:00", "2024-13-01T00:00:00Z", "2024-01-32T00:00:00Z",
        "2026-02-29T00:00:00Z", "2026-02-30T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-01T00:00:60Z",
        "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00Zx",
        "2024-01-01 00:00:00Z", "24-01-01T00:00:00Z", "2024-01-01T00:00:00+1:00", "1600-01-01T00:00:00Z",
        "9999-01-01T00:00:00Z", "２０２４-01-01T00:00:00Z",
    ])
    func refuses(_ text: String) {
        #expect(Timestamp(text) == nil)
    }

    @Test func writesMilliseconds() {
        #expect(Timestamp(nanoseconds: 0).description == "1970-01-01T00:00:00.000Z")
        #expect(Timestamp(nanoseconds: -1).description == "1969-12-31T23:59:59.999Z")
        #expect(Timestamp(nanoseconds: 1_709_251_199_500_999_999).description == "2024-02-29T23:59:59.500Z")
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999999999Z"),
            (1_760_096_206_282_226_390, "2025-10-10T11:36:46.28222639Z"),
            (1_571_926_888_000_050_000, "2019-10-24T14:21:28.00005Z"),
        ] as [(Int64, String)])
    func writesAllThatItTakes(_ nanoseconds: Int64, _ text: String) {
        #expect(Timestamp.exactText(nanoseconds) == text)
        #expect(Timestamp(text)?.nanoseconds == nanoseconds)
    }

    /// Every eleventh day of 547 years, there and back and against Foundation's calendar.
    @Test func agreesWithTheCalendar() throws {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(identifier: "UTC"))
        for day in stride(from: Int64(-100_000), through: 100_000, by: 11) {
            let timestamp = Timestamp(nanoseconds: day * 86_400_000_000_000)
            #expect(Timestamp(timestamp.description)?.nanoseconds == timestamp.nanoseconds)
            let parts = calendar.dateComponents(
                [.year, .month, .day], from: Foundation.Date(timeIntervalSince1970: Double(day) * 86_400))
            let date = timestamp.description.prefix(10).split(separator: "-").compactMap { Int($0) }
            #expect(date == [parts.year, parts.month, parts.day])
        }
    }

    @Test func comparesInstantsAndNotTexts() throws {
        let short = try #require(Timestamp("2024-01-01T00:00:00Z"))
        let long = try #require(Timestamp("2024-01-01T01:00:00.000+01:00"))
        #expect(short == long)
        #expect(Set([short, long]).count == 1)
    }
}
