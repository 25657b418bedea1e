import JSON
import Rules
import Testing

@testable import Config

@Suite struct TextFormatTests {
    @Test(arguments: [
        ("250ms", Duration.milliseconds(250)), ("15s", .seconds(15)), ("5m", .seconds(300)),
        ("24h", .seconds(86_400)), ("30d", .seconds(30 * 86_400)),
        ("999999999d", .seconds(86_399_999_913_600)),
    ])
    func durations(text: String, expected: Duration) {
        #expect(TextFormat<Duration>.duration.parse(text) == expected)
    }

    @Test(arguments: [("64KiB", 65_536), ("10GiB", 10_737_418_240), ("16MiB", 16_777_216), ("1B", 1)])
    func sizes(text: String, expected: Int) { #expect(TextFormat<Int>.size.parse(text) == expected) }

    @Test(arguments: [("10/s", 10, 1), ("600/min", 600, 60), ("100/h", 100, 3_600)])
    func rates(text: String, count: Int, seconds: Int) {
        #expect(
            TextFormat<RateLimit>.rate.parse(text) == RateLimit(count: count, period: .seconds(seconds)))
    }

    @Test(arguments: [
        ("127.0.0.1:8080", "127.0.0.1", 8080), ("[::1]:8080", "::1", 8080), ("localhost:0", "localhost", 0),
        ("0.0.0.0:65535", "0.0.0.0", 65_535),
    ])
    func addresses(text: String, host: String, port: Int) {
        let address = TextFormat<ListenAddress>.listenAddress.parse(text)
        #expect(address == ListenAddress(host: host, port: port))
        #expect(address?.description == text)
    }

    @Test(
        arguments: [
            ("1h", 7_200 - 3_600), ("2d", 0), ("999999999d", 0), ("1970-01-02", 86_400),
            ("1970-01-01T00:00:01Z", 1), ("1970-01-01T03:00:00+02:00", 3_600),
            ("2026-02-30", nil), ("2026-11-01T08:00Z", nil),
            ("9999-01-01", nil),
            ("yesterday", nil), ("2026-11-01 08:00:00Z", nil), ("-1d", nil),
        ] as [(String, Int64?)])
    func pointsInTime(text: String, seconds: Int64?) {
        let nanoseconds = PointInTime(text)?.nanoseconds(now: 7_200_000_000_000)
        #expect(nanoseconds == seconds.map { $0 * 1_000_000_000 })
    }

    @Test(arguments: [
        ("2026-11-01T08:00:00.250Z", 1_793_520_000_250_000_000),
        ("2026-11-01T08:00:00.250000001Z", 1_793_520_000_250_000_001),
    ])
    func pointsInTimeKeepTheirFractions(text: String, nanoseconds: Int64) {
        #expect(PointInTime(text)?.nanoseconds(now: 0) == nanoseconds)
    }

    @Test func tableNames() {
        let format = TextFormat<TableName>.tableName
        #expect(format.parse("okta.users") == TableName(schema: "okta", name: "users"))
        #expect(format.parse("users") == TableName(name: "users"))
    }

    /// The pattern in the schema and the parser in the loader accept the same texts.
    @Test func patternsAndParsersAgree() throws {
        try compare(.duration)
        try compare(.size)
        try compare(.rate)
        try compare(.pointInTime)
        try compare(.listenAddress)
        try compare(.tableName)
        try compare(TextFormat<String>.name)
        try compare(.ruleName)
        try compare(.urlPath)
        try compare(.headerName)
        try compare(.columnName)
        try compare(.columnType)
        try compare(.path)
        try compare(.address)
        try compare(.eventType)
        try compare(.userName)
        try compare(.secret)
        try compare(.eventTypePattern)
        try compare(.requestCase)
    }

    private func compare<Value>(_ format: TextFormat<Value>) throws {
        let expression = try Regex(format.pattern).matchingSemantics(.unicodeScalar)
        var accepted = 0
        for sample in Self.samples {
            let isMatch = sample.firstMatch(of: expression) != nil
            #expect(isMatch == (format.parse(sample) != nil), "\(format.phrase): \(sample.debugDescription)")
            accepted += isMatch ? 1 : 0
        }
        #expect(accepted > 0, "no sample of \(format.phrase)")
    }

    private static let samples: [String] = [
        "2026-11-01", "2026-13-01", "2026-11-01T08:00:00Z", "2026-11-01T08:00:00.5+01:00", "9999-01-01",
        "2026-11-01T08:00:60Z", "2026-11-01T08:00:00z", "2026-11-01T24:00:00Z", "2026-11-1", "20261101",
        "", " ", "a", "-", "_", ".", "*", "/", ":", "a b", " a", "a ", "a\n", "\n", "a\tb", "é", "日本", "a\"b",
        "15s", "0s", "015s", "15", "15 s", "1.5h", "-1s", "1000000000s", "999999999d", "15S", "15sec", "ms",
        "64KiB", "64KB", "64 KiB", "64kib", "1B", "10GiB", "0B", "10/s", "10/sec", "10 / s", "/s", "0/s",
        "100/h", "600/min", "1/m", "127.0.0.1:8080", "[::1]:8080", "::1:8080", "8080", ":8080", "host:",
        "host:65535", "host:65536", "host:99999", "host:080", "a_b-c.d:1", "[]:1", "[::1]", "ho st:1",
        "host:+1",
        "users", "okta.users", "a.b.c", ".users", "users.", "\"users\"", "my table", "okta-relay", "Okta.1",
        String(repeating: "n", count: 63), String(repeating: "n", count: 64), "_name", "-name",
        "/okta/events",
        "/okta events", "okta", "/ok?ta", "/a%20b", "/~x/", "Authorization", "X-Api-Key", "X Api", "X:Y",
        "varchar(20)", "numeric(10, 2)", "text[]", "1text", "text; drop", "10.0.0.0/8", "10.0.0.0/", "::1",
        "10.0.0.0/1000", "10.0.0.0/8/8", "host/8", "user.lifecycle.create", "user.*", "user", "user..x",
        ".user.x", "user.x.", "create", "none", "delete", "user lifecycle", "secret value", "\u{1}",
    ]
}
