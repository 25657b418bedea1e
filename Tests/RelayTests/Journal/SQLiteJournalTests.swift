import Dispatch
import Foundation
import GRDB
import JSON
@testable import Relay
import RelayTesting
import Rules
import Synchronization
import Testing

@Suite struct SQLiteJournalTests {
    let folder: TemporaryFolder
    let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.file("journal.sqlite")
    }

    func open(_ name: String = "journal.sqlite") async throws -> SQLiteJournal {
        try await SQLiteJournal(
            path: folder.file(name), retention: .seconds(86_400 * 36_500), clock: SystemClock())
    }

    func submission(_ ids: some Sequence<Int>, sinks: [String] = ["a"]) throws -> Submission {
        let route = Route(choices: sinks.map { Route.Choice(sink: $0, rule: "r") })
        return Submission(
            events: try ids.map {
                Submission.RoutedEvent(
                    event: try LogEventFixture(uuid: "event-\($0)").event(envelopeID: "envelope \($0)"),
                    route: route)
            }
        )
    }

    @Test(arguments: JournalConformance.promises.map(\.name))
    func keepsItsPromises(_ name: String) async throws {
        let promise = try #require(JournalConformance.promises.first { $0.name == name })
        let journal = try await open()
        let conformance = JournalConformance(journal) { sink, offset in
            _ = try await journal.seek(sink, to: offset, reason: "test")
        } hold: { sink, hold in
            if let hold {
                _ = try await journal.pause(sink, reason: hold.reason)
            } else {
                _ = try await journal.resume(sink)
            }
        }
        try await promise.check(conformance)
        await journal.close()
    }

    @Test(arguments: JournalConformance.promises.map(\.name))
    func theJournalOfOtherTestsKeepsThemToo(_ name: String) async throws {
        let promise = try #require(JournalConformance.promises.first { $0.name == name })
        let journal = InMemoryJournal()
        let conformance = JournalConformance(journal) {
            journal.move($0, to: $1)
        } hold: {
            journal.hold($0, $1)
        }
        try await promise.check(conformance)
        await journal.close()
    }

    @Test func readsFromDiskWhatTheTailNoLongerHas() async throws {
        let first = try await open()
        let cursor = try await first.lease("a").cursor
        _ = try await first.append(try submission(0..<300))
        _ = try await first.append(try submission(300..<310, sinks: ["b"]))
        await first.close()
        let second = try await open()
        _ = try await second.append(try submission(310..<320))
        var ids: [String] = []
        var end = cursor
        var isAtHorizon = false
        while !isAtHorizon {
            let page = try await second.read("a", after: end, limit: ReadLimit(entries: 64, bytes: 1 << 20))
            ids += page.entries.map(\.event.id)
            (end, isAtHorizon) = (page.end, page.isAtHorizon)
        }
        #expect(ids == (Array(0..<300) + Array(310..<320)).map { "event-\($0)" })
        await second.close()
    }

    @Test func knowsDuplicatesAfterARestart() async throws {
        let first = try await open()
        _ = try await first.append(try submission(0..<10))
        await first.close()
        let second = try await open()
        #expect(try await second.append(try submission(5..<12)).duplicates == 5)
        await second.close()
    }

    /// Also where the link is there before the file.
    @Test(arguments: ["journal.sqlite", "link.sqlite"])
    func anotherNameForTheFileIsNoOtherJournal(_ first: String) async throws {
        let link = folder.file("link.sqlite")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "journal.sqlite")
        let journal = try await open(first)
        for name in ["journal.sqlite", "link.sqlite"] {
            let error = await #expect(throws: JournalError.self) { _ = try await open(name) }
            #expect(error?.reason.contains("is in use: by another relay") == true)
        }
        await journal.close()
        try FileManager.default.linkItem(atPath: path, toPath: folder.file("second.sqlite"))
        let second = await #expect(throws: JournalError.self) { _ = try await open() }
        #expect(second?.reason.contains("hard link") == true)
    }

    /// SQLite puts its log there, and what is beside the link is on another disk, maybe.
    @Test func whatBelongsToTheJournalLiesWhereALinkLeads() async throws {
        let place = try TemporaryFolder()
        let file = place.file("events")
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: file)
        let journal = try await open()
        _ = try await journal.append(try submission(0..<1))
        let status = try await SQLiteJournalInspection(path: path).status()
        let sizes = [file, file + "-wal"].map { JournalSpace.bytes(ofFile: $0) }
        #expect(sizes.allSatisfy { $0 > 0 } && status.sizeBytes == sizes.reduce(0, +))
        let files = FileManager.default
        #expect(try Set(files.contentsOfDirectory(atPath: place.path)).contains("events.lock"))
        #expect(try files.contentsOfDirectory(atPath: folder.path) == ["journal.sqlite"])
        await journal.close()
    }

    @Test func aPathIsFollowedToWhereItsFileWillBe() throws {
        let files = FileManager.default
        let root = JournalFile.place(of: folder.path)
        try files.createDirectory(atPath: folder.file("a/b"), withIntermediateDirectories: true)
        for (link, target) in [("a/first", "b/second"), ("a/b/second", "../file"), ("loop", "loop")] {
            try files.createSymbolicLink(atPath: folder.file(link), withDestinationPath: target)
        }
        #expect(JournalFile.place(of: folder.file("a/first")) == root + "/a/file")
        #expect(JournalFile.place(of: folder.file("no/folder/file")) == root + "/no/folder/file")
        #expect(JournalFile.place(of: folder.file("loop")) == folder.file("loop"))
        for name in ["no-file", "n"] {
            #expect(JournalFile.place(of: name) == JournalFile.place(of: ".") + "/\(name)")
        }
        #expect(["n", "/n", "a/n", "/a/n"].map(JournalFile.folder(of:)) == [".", "/", "a", "/a"])
        _ = files.createFile(atPath: folder.file("a/file"), contents: nil)
        #expect(JournalFile.place(of: folder.file("a/first")) == root + "/a/file")
    }

    @Test func onlyItsOwnerMayReadIt() async throws {
        let journal = try await open()
        _ = try await journal.append(try submission(0..<1))
        for file in [path, path + "-wal", path + ".lock"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: file)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600, "\(file)")
        }
        await journal.close()
    }

    @Test func refusesACursorThatMovesBack() async throws {
        let journal = try await open()
        let lease = try await journal.lease("a")
        _ = try await journal.append(try submission(0..<2))
        let next = Offset(rawValue: lease.cursor.rawValue + 2)
        try await journal.settle(Settlement(sink: "a", epoch: lease.epoch, cursor: next))
        await #expect(throws: JournalError.self) {
            try await journal.settle(Settlement(sink: "a", epoch: lease.epoch, cursor: lease.cursor))
        }
        #expect(try await journal.lease("a").cursor == next)
        await journal.close()
    }

    @Test func refusesASecondRelay() async throws {
        let first = try await open()
        let error = await #expect(throws: JournalError.self) { _ = try await open() }
        #expect(error?.reason.hasPrefix("\(JournalFile.place(of: path)) is in use: by another relay") == true)
        // A command may have it as well.
        #expect(error?.reason.hasSuffix("or by a command that changes it, which ends by itself") == true)
        await first.close()
    }

    @Test func refusesANewerVersionsFile() async throws {
        await (try await open()).close()
        let queue = try DatabaseQueue(path: path)
        try await queue.write { try $0.execute(sql: "PRAGMA user_version = 99") }
        try queue.close()
        await #expect {
            _ = try await open()
        } throws: { error in
            (error as? JournalError)?.reason.contains("newer okta-relay (schema 99") == true
        }
    }

    @Test func countsWhatItHolds() async throws {
        let journal = try await open()
        let lease = try await journal.lease("a")
        _ = try await journal.append(try submission(0..<5))
        _ = try await journal.append(try submission(3..<6, sinks: []))
        let entries = try await journal.read(
            "a", after: lease.cursor, limit: ReadLimit(entries: 2, bytes: 1 << 20)
        )
        .entries
        try await journal.settle(
            Settlement(
                sink: "a", epoch: lease.epoch, cursor: entries[1].offset, outcomes: [.delivered: 1],
                deadLetters: [
                    DeadLetter(
                        offset: entries[1].offset, subject: nil,
                        failures: [FailedAttempt(number: 1, at: 3, reason: "HTTP 400")])
                ])
        )
        let inspection = try SQLiteJournalInspection(path: path)
        let status = try await inspection.status()
        #expect(status.accepted == 6 && status.duplicates == 2 && status.unrouted == 1)
        let sink = try #require(status.sinks.first)
        #expect(
            sink.waiting == 3 && sink.delivered == 1 && sink.dead == 1 && sink.oldestWaitingReceivedAt == 1)
        let letters = try await inspection.deadLetters(DeadLetterFilter(sink: "a"), PageRequest())
        #expect(letters.map(\.eventID) == ["event-1"])
        let letter = try #require(try await inspection.deadLetter(id: letters[0].id))
        #expect(letter.failures.map(\.reason) == ["HTTP 400"] && letter.body != nil && letter.rule == "r")
        #expect(
            try await inspection.events(EventFilter(), PageRequest(limit: 2)).map(\.eventID) == [
                "event-5", "event-4",
            ])
        for (filter, ids) in [
            (EventFilter(isUnrouted: true), ["event-5"]), (EventFilter(eventID: "event-3"), ["event-3"]),
            (EventFilter(hook: "nope"), []), (EventFilter(since: 2), []), (EventFilter(until: 1), []),
            (EventFilter(eventType: EventTypePattern("app.*")), []),
            (
                EventFilter(isUnrouted: true, eventType: EventTypePattern("*"), since: 1, until: 2),
                ["event-5"]
            ),
        ] {
            #expect(try await inspection.events(filter, PageRequest()).map(\.eventID) == ids, "\(filter)")
        }
        let event = try #require(try await inspection.event(id: 6))
        #expect(event.body != nil && event.route.isEmpty && event.eventID == "event-5")
        #expect(try await inspection.event(id: 7) == nil)
        #expect(
            try await inspection.events(EventFilter(), PageRequest(limit: 1)).map(\.envelopeID) == [
                "envelope 5"
            ])
        await journal.close()
    }

    /// What is parked is read behind the lease: where the sink was moved in between, they do not go together.
    @Test func aLeaseTakesNothingThatIsParkedFromAnotherPlace() async throws {
        let journal = try await SQLiteJournal(path: path, retention: .seconds(86_400), clock: ManualClock())
        let lease = try await journal.committer.commit { try $0.lease("a") }
        #expect(try await journal.beside { try lease.withParked(from: $0) } == lease)
        _ = try await journal.seek("a", to: .zero, reason: "test")
        _ = try await journal.pause("a", reason: "test")
        #expect(try await journal.beside { try lease.withParked(from: $0) } == nil)
        #expect(try await journal.lease("a").hold?.kind == .paused)
        await journal.close()
    }

    /// Whoever has been committed need not wait for what takes long behind it.
    @Test func aCommitThatHasTakenLongLeavesTheRestToTheNextOne() async throws {
        let journal = try await SQLiteJournal(path: path, retention: .seconds(86_400), clock: ManualClock())
        let order = Mutex<[String]>([])
        let note = { @Sendable (step: String) in order.withLock { $0.append(step) } }
        let gate = DispatchSemaphore(value: 0)
        let (begun, done) = (AsyncStream<Void>.makeStream(), AsyncStream<Void>.makeStream())
        journal.committer.commit(
            { _ in
                begun.continuation.finish()
                gate.wait()
            }, answer: { _ in note("first") })
        for await _ in begun.stream {}
        for name in ["a", "b"] {
            journal.committer.commit(
                { _ in
                    note("\(name) runs")
                    // Longer than one commit is to take.
                    let end = DispatchTime.now() + .milliseconds(25)
                    while DispatchTime.now() < end {}
                },
                answer: { result in
                    note("\(name) is done")
                    if name == "b" { done.continuation.finish() }
                })
        }
        gate.signal()
        for await _ in done.stream {}
        #expect(order.withLock(\.self) == ["first", "a runs", "a is done", "b runs", "b is done"])
        await journal.close()
    }

    @Test func freezesRunsAndFindsDuplicatesInThem() throws {
        let queue = try DatabaseQueue(path: path)
        try JournalSchema.migrator.migrate(queue)
        try queue.write { db in
            let index = try DeduplicationIndex(db, runCapacity: 1_000)
            for number in 0..<3_500 {
                #expect(try index.insert(EventDigest(org: "o", eventID: "\(number)"), db))
                index.didCommit()
                if index.isFull {
                    try index.freeze(lastOffset: Int64(number), newestReceivedAt: Int64(number), db)
                    index.didFreeze(committed: true)
                }
            }
            let reopened = try DeduplicationIndex(db, runCapacity: 1_000)
            for number in stride(from: 0, to: 3_000, by: 7) {
                #expect(try !reopened.insert(EventDigest(org: "o", eventID: "\(number)"), db))
            }
            for number in 10_000..<13_000 {
                #expect(try reopened.insert(EventDigest(org: "o", eventID: "\(number)"), db))
            }
            reopened.didRollBack()
            while let run = try reopened.expire(before: 1_500, db) { reopened.didExpire(run) }
            #expect(try reopened.insert(EventDigest(org: "o", eventID: "5"), db))
            #expect(try !reopened.insert(EventDigest(org: "o", eventID: "2500"), db))
        }
    }

    /// A journal near its maximum freezes each few hundred events: every new one is looked for in every run.
    @Test func smallRunsAreMerged() throws {
        let queue = try DatabaseQueue(path: path)
        try JournalSchema.migrator.migrate(queue)
        try queue.write { db in
            let index = try DeduplicationIndex(db, runCapacity: 10_000)
            func runs() throws -> Int { try Int.fetchOne(db, sql: "SELECT count(*) FROM seen_runs") ?? 0 }
            for number in 0..<24_000 {
                #expect(try index.insert(EventDigest(org: "o", eventID: "\(number)"), db))
                index.didCommit()
                guard number % 100 == 99 else { continue }
                // One whose transaction is undone has merged nothing.
                for isCommitted in number % 1_000 == 399 ? [false, true] : [true] {
                    try db.inSavepoint {
                        try index.freeze(lastOffset: Int64(number), newestReceivedAt: Int64(number), db)
                        return isCommitted ? .commit : .rollback
                    }
                    index.didFreeze(committed: isCommitted)
                }
                #expect(try runs() <= 14)
            }
            let stored = "SELECT sum(length(digests)) / 16, count(DISTINCT run_id) FROM seen_pages"
            #expect(try Row.fetchOne(db, sql: stored).map { [$0[0] as Int, $0[1]] } == [24_000, try runs()])
            for index in [index, try DeduplicationIndex(db, runCapacity: 10_000)] {
                for number in stride(from: 0, to: 24_000, by: 7) {
                    #expect(try !index.insert(EventDigest(org: "o", eventID: "\(number)"), db))
                }
            }
        }
    }

    @Test func writesRangesOfOffsets() {
        let offsets = [5, 6, 7, 9, 12, 13].map { Offset(rawValue: $0) }
        #expect(OffsetRanges.text(of: offsets.reversed()) == "5-7,9,12-13")
        #expect(OffsetRanges.offsets(ofText: "5-7,9,12-13") == offsets)
        #expect(OffsetRanges.offsets(ofText: "") == [])
        #expect(OffsetRanges.offsets(ofText: "7-5") == nil)
        #expect(OffsetRanges.offsets(ofText: "x") == nil)
    }
}
