import JSON
import Relay
import Testing

@testable import OktaRelay

/// What a person reads of records.
@Suite struct RecordTextTests {
    private func letter(attempts: ClosedRange<Int>..., isExpired: Bool = false) -> DeadLetterRecord {
        DeadLetterRecord(
            id: 7, sink: "crm", rule: "staff", eventID: "event-1", eventType: "user.lifecycle.create",
            diedAt: 0,
            failures: attempts.joined().map {
                FailedAttempt(number: $0, at: 0, reason: "refused", status: $0 == 1 ? 422 : nil)
            }, body: nil, isExpired: isExpired)
    }

    @Test func attemptsThatAreLeftOutAreToldOf() {
        let few = letter(attempts: 1...3)
        #expect(!few.text.contains("kept any more"))
        #expect(few.text.contains("STATUS") && few.text.contains("422"))
        let many = letter(attempts: 1...10, 81...120)
        #expect(many.text.contains("70 attempts of 120 are not kept any more, or with another event"))
        #expect([many].table.text().contains("     120  "))
        let json = String(decoding: many.json, as: UTF8.self)
        #expect(json.contains(#""attemptCount":120,"attemptsLeftOut":70"#))
        #expect(json.contains(#""status":422"#) && json.contains(#""status":null"#))
    }

    /// Only who resumes a sink that its limits have stopped lets something pass them.
    @Test(arguments: [("paused", "null", "counted by"), ("tripped", "3", "whatever")])
    func aResumeTellsWhatPasses(_ hold: String, _ exemptTo: String, _ word: String) throws {
        let done = try JSONDocument(#"{"was":"\#(hold)","exemptTo":\#(exemptTo)}"#).root
        let text = ResumeText("crm", done).text
        #expect(text.hasPrefix("crm was \(hold), and goes on; what waited"))
        #expect(text.hasSuffix("\(word) its limits"))
        let dry = try JSONDocument(#"{"was":"\#(hold)","reason":"x","waiting":2,"lookedAt":2}"#).root
        #expect(WaitingText(resuming: "crm", dry).text.contains("\(word) its limits: 2 events"))
        let paused = WaitingText(pausing: "crm", dry).text
        #expect(
            paused == "crm is \(hold) already, and would be paused\nwould wait, with what comes: 2 events")
    }

    @Test func whatIsExpiredIsMarkedInTables() {
        #expect([letter(attempts: 1...1, isExpired: true)].table.text().contains("  expired  "))
        #expect(![letter(attempts: 1...1)].table.text().contains("expired"))
        func input(_ isExpired: Bool) -> QuarantineRecord {
            QuarantineRecord(
                id: 1, receivedAt: 0, hook: "okta", reason: "no uuid", sizeBytes: isExpired ? 0 : 5,
                bytes: nil,
                isExpired: isExpired)
        }
        #expect([input(true)].table.text().contains("expired"))
        #expect([input(false)].table.text().contains("5 B"))
        // No member of the JSON is missing for it.
        let json = String(decoding: input(true).json, as: UTF8.self)
        #expect(json.contains(#""isExpired":true,"text":null,"base64":null"#))
    }

    @Test func aHistoryThatIsNotCompleteSaysSo() {
        var history = UserHistory(
            records: [], waiting: WaitingLook(lookedAt: 50_000, notLookedAt: ["crm"]),
            givenUp: [GivenUpEntries(sink: "chat", entries: 3, replaySpan: 0...1_000_000_000)])
        let text = history.text(of: "00u1")
        #expect(text.contains("nothing was found of 00u1"))
        #expect(text.contains("looked through, of what waits: 50000 events"))
        #expect(text.contains("older events wait for crm that were not looked at"))
        #expect(text.contains("chat was not given 3 events of 1970-01-01T00:00:00.000Z to"))
        history.waiting = WaitingLook(lookedAt: 0, notLookedAt: [])
        history.givenUp = []
        #expect(!history.text(of: "00u1").contains("may be theirs"))
        #expect(!history.text(of: "00u1").contains("more"))
        #expect(!history.text(of: "00u1").contains("receipts of before"))
        history.receiptsSince = 1_000_000_000
        #expect(history.text(of: "00u1").contains("receipts of before 1970-01-01T00:00:01.000Z are not kept"))
        history.next = HistoryPlace("7.0.12")
        #expect(history.text(of: "00u1").contains("there is more: --before 7.0.12 shows it"))
        #expect(String(decoding: history.json, as: UTF8.self).contains(#""isCut":true,"next":"7.0.12""#))
    }

    @Test func replaysTellTheirState() {
        func replay(ended: Int64?, after: Int64, sink: String = "crm") -> Replay {
            Replay(
                id: "r",
                request: ReplayRequest(
                    sink: sink, filter: ReplayFilter(), since: 0, until: nil, after: .zero),
                startedAt: 0, after: Offset(rawValue: after), last: Offset(rawValue: 10), appended: 3,
                endedAt: ended)
        }
        let replays = [
            replay(ended: nil, after: 5), replay(ended: nil, after: 5, sink: "off"),
            replay(ended: 1, after: 5), replay(ended: 1, after: 10),
        ]
        let prospects = ReplayProspects(delivered: ["crm"])
        let json = String(decoding: replays.json(prospects), as: UTF8.self)
        for state in ["under-way", "waits", "cancelled", "done"] {
            #expect(json.contains(#""state":"\#(state)""#))
        }
        let lines = replays.table(prospects).text().split(separator: "\n").dropFirst()
        for (line, parts) in zip(
            lines,
            [["under-way  -", "50 %"], ["waits      sink"], ["cancelled", "50 %"], ["done", "100 %"]])
        {
            #expect(parts.allSatisfy { line.contains($0) }, "\(line)")
        }
        let full = ReplayProspects(delivered: ["crm"], hasRoom: false)
        #expect(replays.map { $0.need(full) } == [.room, .sink, nil, nil])
        #expect(String(decoding: replays.json(full), as: UTF8.self).contains(#""waitsFor":"room""#))
    }
}
