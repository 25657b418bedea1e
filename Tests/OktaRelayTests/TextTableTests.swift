import Relay
import Testing

@testable import OktaRelay

/// What a person reads.
@Suite struct TextTableTests {
    @Test func columnsAreAsWideAsTheirWidestCell() {
        var table = TextTable([.left("SINK"), .right("DEAD"), .left("WHY")])
        table.add("users", "3", "full")
        table.add("a", "12000", "")
        #expect(
            table.text() == """
                SINK    DEAD  WHY
                users      3  full
                a      12000
                """)
    }

    @Test func controlCharactersCannotMoveTheCursor() {
        var table = TextTable([.left("REASON")])
        table.add("a\u{1B}[2Jb\nc")
        #expect(table.text() == "REASON\na [2Jb c")
    }

    @Test func onlyTheHeadingIsBold() {
        var table = TextTable([.left("A")])
        table.add("b")
        #expect(table.text(isHeadingBold: true) == "\u{1B}[1mA\u{1B}[0m\nb")
    }

    @Test func sizesAndDurationsKeepTheNumberSmall() {
        #expect(Wording.size(512) == "512 B")
        #expect(Wording.size(1_536) == "1.5 KiB")
        #expect(Wording.size(10 * 1_024 * 1_024 * 1_024) == "10.0 GiB")
        #expect(Wording.duration(.microseconds(400)) == "0.4 ms")
        #expect(Wording.duration(.milliseconds(2_500)) == "2.5 s")
        #expect(Wording.duration(.seconds(75)) == "75 s")
        #expect(Wording.duration(.seconds(3 * 3_600)) == "3 h")
        #expect(Wording.time(1_767_225_600_123_000_000) == "2026-01-01T00:00:00.123Z")
    }

    @Test func statusShowsWhatTheJournalAndTheRelaySay() {
        let users = SinkStatus(
            name: "users", cursor: .zero, waiting: 2, oldestWaitingReceivedAt: 0, delivered: 7, superseded: 1,
            skipped: 0, retried: 3, parked: 1, dead: 0)
        let journal = JournalStatus(
            accepted: 10, duplicates: 2, unrouted: 1, quarantined: 4, horizon: .zero, sizeBytes: 2_048,
            sinks: [users])
        let live = LiveSinks(
            isRunning: true, summary: "running",
            states: ["users": LiveSinkState(state: .open, reason: "no answer", since: 0)])
        let report = StatusReport(journal: journal, journalPath: "j.sqlite", live: live, now: 5_000_000_000)
        #expect(report.text.contains("events   10 accepted, 2 duplicate, 1 unrouted, 4 quarantined"))
        #expect(report.text.contains("users  unavailable: no answer        2   5.0 s"))
        #expect(
            String(decoding: report.json, as: UTF8.self).contains(
                #""name":"users","state":"open","reason":"no answer""#))
    }
}
