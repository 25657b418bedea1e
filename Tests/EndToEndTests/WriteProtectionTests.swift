import Foundation
import JSON
import RelayTesting
import Testing

/// Files that cannot be written any more, under a relay that has them open.
@Suite(
    .timeLimit(.minutes(1)), .enabled(if: WriteProtection.isAvailable, "\(WriteProtection.whyNot)")
) struct WriteProtectionTests {
    private let setup: RelaySetup
    private var journal: [String] { ["", "-wal"].map { setup.folder.file("journal.sqlite\($0)") } }
    private var table: String { setup.folder.file("users.sqlite") }

    init() throws {
        setup = try RelaySetup(
            sinks: """
                "audit": { "type": "sqlite", "path": "users.sqlite", "table": "events", "mode": "append",
                           \(Destinations.retry) }
                """,
            rules: #"{ "name": "all", "events": ["*"], "sinks": ["audit"] }"#)
    }

    private func post(_ numbers: Range<Int>) async throws -> Int {
        try await setup.post(
            RelaySetup.envelope(
                numbers.map { LogEventFixture(uuid: "event-\($0)", userID: "00u\($0 % 5)").json }))
    }

    private func expectDelivered(_ count: Int) async throws {
        let rows = try await Rows.sqlite(table, "SELECT event_id FROM events").compactMap { $0[0] }
        #expect(Set(rows) == Set((0..<count).map { "event-\($0)" }) && rows.count == count)
    }

    @Test func aJournalRefusesAndGoesOnWhenItCanBeWritten() async throws {
        let relay = try await setup.start()
        #expect(try await post(0..<20) == 200)
        try WriteProtection.protect(journal[0], journal[1])
        do {
            defer { for file in journal { try? WriteProtection.unprotect(file) } }
            for _ in 0..<3 { #expect(try await post(20..<40) == 503) }
            await relay.waitForLog("the journal cannot be written or read")
            #expect(relay.exitStatus == nil)
        }
        #expect(try await post(20..<40) == 200)
        try await setup.waitUntilSettled()
        #expect(await relay.stop() == 0, "\(relay.log)")
        try await expectDelivered(40)
        #expect(
            try await Rows.sqlite(setup.folder.file("journal.sqlite"), "PRAGMA integrity_check") == [["ok"]])
    }

    @Test func aTableHoldsItsSinkAndGetsAllWhenItCanBeWritten() async throws {
        let relay = try await setup.start()
        #expect(try await post(0..<20) == 200)
        try await setup.waitUntilSettled()
        try WriteProtection.protect(table, table + "-wal")
        do {
            defer { for file in [table, table + "-wal"] { try? WriteProtection.unprotect(file) } }
            #expect(try await post(20..<40) == 200)
            // The open file cannot be written; opened anew it is read-only, and the reason says that.
            try await setup.wait(for: "the sink to notice") {
                let reason = $0.sink("audit")?["reason"]?.string ?? ""
                return reason.contains("it cannot be written or read") || reason.contains("is read-only")
            }
        }
        try await setup.waitUntilSettled()
        #expect(try await setup.status().sink("audit")?["dead"]?.int == 0)
        #expect(await relay.stop() == 0, "\(relay.log)")
        try await expectDelivered(40)
    }
}
