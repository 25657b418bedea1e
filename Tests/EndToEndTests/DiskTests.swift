import Foundation
import JSON
import Relay
import RelayTesting
import Testing

/// Disks that are full or read-only, under a running relay.
@Suite(
    .timeLimit(.minutes(2)), .enabled(if: ScratchDisk.isAvailable, "\(ScratchDisk.whyNot)")
) struct DiskTests {
    private static func event(_ number: Int) -> [UInt8] {
        LogEventFixture(uuid: "event-\(number)", userID: "00u\(number % 7)").json
    }

    private static let rule = #"{ "name": "all", "events": ["*"], "sinks": ["audit"] }"#

    private static func sink(_ path: String) -> String {
        """
        "audit": { "type": "sqlite", "path": "\(path)", "table": "events", "mode": "append",
                   \(Destinations.retry) }
        """
    }

    private func delivered(_ path: String) async throws -> Set<String> {
        Set(try await Rows.sqlite(path, "SELECT event_id FROM events").compactMap { $0[0] })
    }

    @Test func aFullDiskUnderTheJournalRefusesAndHeals() async throws {
        let disk = try await onOwnThread { try ScratchDisk(megabytes: 6) }
        let setup = try RelaySetup(
            sinks: Self.sink("users.sqlite"), rules: Self.rule, journal: disk.file("journal.sqlite"))
        let relay = try await setup.start()
        #expect(try await setup.post(RelaySetup.envelope([Self.event(0)])) == 200)
        try await onOwnThread { try disk.fill() }
        var acknowledged: Set<String> = ["event-0"]
        var refused: Int?
        for number in 1..<3_000 where refused == nil {
            let status = try await setup.post(RelaySetup.envelope([Self.event(number)]))
            if status == 200 { acknowledged.insert("event-\(number)") } else { refused = number }
        }
        let number = try #require(refused)
        // Okta tries such a request once more; what the journal's log has given back may be enough for it.
        if try await setup.post(RelaySetup.envelope([Self.event(number)])) == 200 {
            acknowledged.insert("event-\(number)")
        }
        await relay.waitForLog("the disk of the journal is full; free space on it")
        #expect(relay.exitStatus == nil)
        try disk.makeSpace()
        #expect(try await setup.post(RelaySetup.envelope([Self.event(number)])) == 200)
        acknowledged.insert("event-\(number)")
        try await setup.waitUntilSettled()
        #expect(await relay.stop() == 0)
        #expect(try await delivered(setup.folder.file("users.sqlite")) == acknowledged)
    }

    /// `maxSize` is 10 GiB by default, whatever the disk has.
    @Test func aDiskSmallerThanTheJournalMayBeIsSaidAndSuffices() async throws {
        let disk = try await onOwnThread { try ScratchDisk(megabytes: 32) }
        let setup = try RelaySetup(
            sinks: Self.sink("users.sqlite"), rules: Self.rule, journal: disk.file("journal.sqlite"))
        let said = "journal.maxSize is 10.0 GiB, and the disk of"
        #expect(try await setup.run("check").output.contains(said))
        #expect(try await setup.json("check")["disk"]?.string?.contains(said) == true)
        let relay = try await setup.start()
        #expect(relay.log.contains(said), "\(relay.log)")
        // More than it has room for; each is delivered before the next comes, and room is made in between.
        for round in 0..<80 {
            let events = (0..<100).map { number in
                var event = LogEventFixture(uuid: "event-\(round)-\(number)", userID: "00u\(number % 7)")
                event.displayName = String(repeating: "x", count: 5_000)
                return event.json
            }
            try await waitUntil(every: .milliseconds(20)) {
                try await setup.post(RelaySetup.envelope(events)) == 200
            }
            try await setup.waitUntilSettled()
        }
        let status = try await setup.status()
        #expect(status.sink("audit")?["delivered"]?.int == 8_000)
        #expect(status["journal"]?["maxBytes"]?.int.map { $0 < 32 << 20 } == true)
        #expect(await relay.stop() == 0)
    }

    @Test func aFullDiskUnderATableHoldsItsSinkOnly() async throws {
        let disk = try await onOwnThread { try ScratchDisk(megabytes: 2) }
        let table = disk.file("users.sqlite")
        let setup = try RelaySetup(sinks: Self.sink(table), rules: Self.rule)
        let relay = try await setup.start()
        #expect(try await setup.post(RelaySetup.envelope([Self.event(0)])) == 200)
        try await setup.waitUntilSettled()
        try await onOwnThread { try disk.fill() }
        let numbers = 1..<400
        for start in stride(from: 1, to: 400, by: 40) {
            let events = (start..<min(start + 40, 400)).map(Self.event)
            #expect(try await setup.post(RelaySetup.envelope(events)) == 200)
        }
        try await setup.wait(for: "the sink to notice") {
            $0.sink("audit")?["reason"]?.string?.contains("the disk is full; free some space") == true
        }
        try disk.makeSpace()
        try await setup.waitUntilSettled()
        #expect(try await setup.status().sink("audit")?["dead"]?.int == 0)
        #expect(await relay.stop() == 0)
        #expect(try await delivered(table) == Set(["event-0"] + numbers.map { "event-\($0)" }))
    }

    @Test func aReadOnlyJournalIsRefusedWithAWordAndUsedWhenItIsWritableAgain() async throws {
        let disk = try await onOwnThread { try ScratchDisk(megabytes: 6) }
        let setup = try RelaySetup(
            sinks: Self.sink(disk.file("users.sqlite")), rules: Self.rule,
            journal: disk.file("journal.sqlite"))
        let first = try await setup.start()
        #expect(try await setup.post(RelaySetup.envelope((0..<50).map(Self.event))) == 200)
        #expect(await first.kill() == 128 + SIGKILL)

        try await onOwnThread { try disk.makeReadOnly() }
        let refused = try await setup.run("serve")
        #expect(refused.status == 2, "\(refused.errors)")
        #expect(refused.errors.contains("read-only") || refused.errors.contains("Read-only"), "\(refused)")

        try await onOwnThread { try disk.makeWritable() }
        let second = try await setup.start()
        try await setup.waitUntilSettled()
        #expect(await second.stop() == 0)
        #expect(try await delivered(disk.file("users.sqlite")) == Set((0..<50).map { "event-\($0)" }))
    }

    @Test func aReadOnlyTableHoldsItsSinkUntilItIsWritableAgain() async throws {
        let disk = try await onOwnThread { try ScratchDisk(megabytes: 6) }
        let table = disk.file("users.sqlite")
        let setup = try RelaySetup(sinks: Self.sink(table), rules: Self.rule)
        let first = try await setup.start()
        #expect(try await setup.post(RelaySetup.envelope([Self.event(0)])) == 200)
        try await setup.waitUntilSettled()
        #expect(await first.stop() == 0)

        try await onOwnThread { try disk.makeReadOnly() }
        let second = try await setup.start()
        #expect(try await setup.post(RelaySetup.envelope([Self.event(1)])) == 200)
        try await setup.wait(for: "the sink to notice") {
            $0.sink("audit")?["reason"]?.string?.contains("mounted read-only") == true
        }
        try await onOwnThread { try disk.makeWritable() }
        try await setup.waitUntilSettled()
        #expect(await second.stop() == 0)
        #expect(try await delivered(table) == ["event-0", "event-1"])
    }
}
