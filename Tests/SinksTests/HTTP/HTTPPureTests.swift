import Config
import Relay
import Testing

@testable import Sinks

@Suite("What a status means")
struct HTTPVerdictTests {
    @Test(arguments: [
        (200, HTTPVerdict.delivered), (201, .delivered), (204, .delivered), (207, .delivered),
        (301, .rejected), (302, .rejected), (304, .rejected),
        (400, .rejected), (401, .denied), (403, .denied), (404, .rejected), (405, .rejected),
        (408, .retry), (409, .retry), (410, .rejected), (413, .rejected), (422, .rejected), (423, .retry),
        (425, .retry), (429, .limited), (431, .rejected), (477, .retry), (499, .rejected),
        (500, .retry), (501, .rejected), (502, .unavailable), (503, .unavailable), (504, .unavailable),
        (505, .rejected), (507, .retry), (520, .unavailable), (524, .unavailable), (529, .unavailable),
        (0, .rejected), (600, .rejected),
    ])
    func table(status: Int, verdict: HTTPVerdict) {
        #expect(HTTPVerdict(status: status, removes: false) == verdict)
    }

    @Test func whatIsGoneNeedsNoRemoval() {
        #expect(HTTPVerdict(status: 404, removes: true) == .delivered)
        #expect(HTTPVerdict(status: 410, removes: true) == .delivered)
        #expect(HTTPVerdict(status: 400, removes: true) == .rejected)
        #expect(HTTPVerdict(status: 503, removes: true) == .unavailable)
    }

    @Test func whatOneUserMeetsIsEverybodysOnceASecondUserMeetsIt() {
        var trouble = TroubleScope.none
        var answers: [Bool] = []
        for user in ["a", "a", "b", "a"] { answers.append(trouble.met(user)) }
        #expect(answers == [false, false, true, true])
        trouble = .none
        let fresh = trouble.met("b")
        #expect(!fresh)
    }

    @Test func onlyAServerThatFailedLeavesOpenWhatItDid() {
        let statuses = [200, 302, 401, 408, 409, 429, 500, 501, 502, 503, 504, 505, 507, 520, 524, 529, 599]
        #expect(
            statuses.filter(HTTPVerdict.leavesOpen) == [500, 502, 504, 507, 520, 524, 529, 599])
    }
}

@Suite("The rate of a sink")
struct RateWindowTests {
    private let second: Int64 = 1_000_000_000

    @Test func letsThroughTheCountAndThenWaitsForThePeriod() {
        var window = RateWindow(RateLimit(count: 2, period: .seconds(1)))
        var waits: [Duration?] = []
        for time in [0, 0, 0, second / 4, second, second, second] { waits.append(window.take(at: time)) }
        #expect(waits == [nil, nil, .seconds(1), .milliseconds(750), nil, nil, .seconds(1)])
    }

    /// Over any span of one period, in a schedule that asks at odd times.
    @Test(arguments: [1, 3, 10, 2_500])
    func noPeriodSeesMoreThanTheCount(count: Int) {
        var window = RateWindow(RateLimit(count: count, period: .seconds(10)))
        var times: [Int64] = []
        var now: Int64 = 0
        for step in 0..<(4 * count + 8) {
            now += Int64(step % 7) * 100_000_000 / Int64(count)
            var time = now
            while let wait = window.take(at: time) { time += wait.nanoseconds }
            now = time
            times.append(time)
        }
        #expect(times == times.sorted())
        for index in times.indices where index + count < times.count {
            #expect(times[index + count] - times[index] >= 10 * second)
        }
    }
}

@Suite("Idempotency keys")
struct IdempotencyKeyTests {
    @Test func differByEverythingThatMakesAnotherRequest() throws {
        let event = try HTTPFixtures.event("user.lifecycle.create")
        let other = try HTTPFixtures.event("user.lifecycle.create", id: "e2")
        let base = IdempotencyKey.make(event: event, sink: "crm", replay: nil, mapping: [1])
        let all = [
            base,
            IdempotencyKey.make(event: other, sink: "crm", replay: nil, mapping: [1]),
            IdempotencyKey.make(event: event, sink: "crm2", replay: nil, mapping: [1]),
            IdempotencyKey.make(event: event, sink: "crm", replay: "", mapping: [1]),
            IdempotencyKey.make(event: event, sink: "crm", replay: "r", mapping: [1]),
            IdempotencyKey.make(event: event, sink: "crm", replay: nil, mapping: [2]),
        ]
        #expect(Set(all).count == all.count)
        #expect(IdempotencyKey.make(event: event, sink: "crm", replay: nil, mapping: [1]) == base)
        #expect(base.utf8.count == 43)
        #expect(base.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_".contains($0)) })
    }

    /// RFC 4648 section 10, without padding.
    @Test(arguments: [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")])
    func base64URL(plain: String, encoded: String) {
        #expect(IdempotencyKey.base64URL(Array(plain.utf8)) == encoded)
    }

    @Test func base64URLUsesItsOwnTwoCharacters() {
        #expect(IdempotencyKey.base64URL([0xFB, 0xFF]) == "-_8")
    }
}
