import JSON
import Relay
import RelayTesting
import Rules
import Testing

/// What every journal must do, whatever it is made of; one function a promise.
struct JournalConformance: Sendable {
    private let journal: any Journal
    private let move: @Sendable (String, Offset) async throws -> Void
    private let hold: @Sendable (String, SinkHold?) async throws -> Void
    private let limit = ReadLimit(entries: 100, bytes: 1 << 20)

    /// - Parameters:
    ///   - journal: A fresh, empty one.
    ///   - move: Moves a sink's place in it, as an operator does.
    ///   - hold: Pauses a sink, as an operator does; nil resumes it.
    init(
        _ journal: any Journal, move: @escaping @Sendable (String, Offset) async throws -> Void,
        hold: @escaping @Sendable (String, SinkHold?) async throws -> Void
    ) {
        self.journal = journal
        self.move = move
        self.hold = hold
    }

    /// Every promise, each on a fresh journal.
    static let promises: [(name: String, check: @Sendable (JournalConformance) async throws -> Void)] =
        [
            ("reads back what was appended", { try await $0.readsBack() }),
            ("knows duplicates by org and id", { try await $0.knowsDuplicates() }),
            ("gives a sink only its entries", { try await $0.routes() }),
            ("starts a new sink at the end", { try await $0.startsAtTheEnd() }),
            ("keeps a sink's place", { try await $0.keepsPlace() }),
            ("parks, unparks and keeps states", { try await $0.parks() }),
            ("takes a replay's entries though they are known", { try await $0.redelivers() }),
            ("keeps intents until the outcome is known", { try await $0.keepsIntents() }),
            ("keeps a hold and what limits have counted", { try await $0.keepsHolds() }),
            ("lets limits undo no pause and no resume", { try await $0.keepsPauses() }),
            ("fences older leases", { try await $0.fences() }),
            ("settles what is in flight when a sink is moved on", { try await $0.settlesMovedOn() }),
            ("settles what is in flight when a sink is moved back", { try await $0.settlesMovedBack() }),
            ("keeps intents of what is given up and wanted again", { try await $0.keepsMovedIntents() }),
            ("limits a read", { try await $0.limitsReads() }),
            ("tells news", { try await $0.tellsNews() }),
            ("takes many appends at once", { try await $0.takesManyAtOnce() }),
            ("refuses work once closed", { try await $0.refusesAfterClose() }),
        ]

    private func submission(
        _ ids: [String], sinks: [String] = ["a"], org: String = "okta"
    ) throws -> Submission {
        let route = Route(choices: sinks.map { Route.Choice(sink: $0, rule: "rule of \($0)") })
        return Submission(
            events: try ids.map { id in
                Submission.RoutedEvent(event: try LogEventFixture(uuid: id).event(org: org), route: route)
            }
        )
    }

    private func readsBack() async throws {
        let lease = try await journal.lease("a")
        var submission = try submission(["1", "2"])
        submission.events[1] = Submission.RoutedEvent(
            event: try LogEventFixture(uuid: "2").event(envelopeID: "envelope 2"),
            route: submission.events[1].route)
        submission.quarantined = [
            QuarantinedInput(hook: "okta", reason: "no uuid", bytes: Array("{}".utf8), receivedAt: 1)
        ]
        let receipt = try await journal.append(submission)
        #expect(receipt == AppendReceipt(accepted: 2, duplicates: 0, unrouted: 0, quarantined: 1))
        let page = try await journal.read("a", after: lease.cursor, limit: limit)
        #expect(page.entries.map(\.event.id) == ["1", "2"])
        #expect(page.entries.map(\.event.envelopeID) == [nil, "envelope 2"])
        #expect(page.entries.map(\.rule) == ["rule of a", "rule of a"])
        #expect(page.entries.map(\.event.body.bytes) == submission.events.map(\.event.body.bytes))
        #expect(page.entries[0].offset < page.entries[1].offset)
        #expect(page.isAtHorizon && page.end >= page.entries[1].offset)
        let again = try await journal.read("a", at: page.entries.map(\.offset))
        #expect(again.map(\.event.id) == ["1", "2"])
        #expect(again.map(\.event.envelopeID) == [nil, "envelope 2"])
    }

    private func knowsDuplicates() async throws {
        _ = try await journal.append(try submission(["1"]))
        let receipt = try await journal.append(try submission(["1", "2", "2"]))
        #expect(receipt == AppendReceipt(accepted: 1, duplicates: 2, unrouted: 0, quarantined: 0))
        let other = try await journal.append(try submission(["1"], org: "other"))
        #expect(other.accepted == 1)
    }

    private func routes() async throws {
        let start = try await journal.lease("a").cursor
        _ = try await journal.append(try submission(["1"], sinks: ["b"]))
        _ = try await journal.append(try submission(["2"], sinks: ["b", "a"]))
        let receipt = try await journal.append(try submission(["3"], sinks: []))
        #expect(receipt.unrouted == 1)
        #expect(try await journal.read("a", after: start, limit: limit).entries.map(\.event.id) == ["2"])
        #expect(
            try await journal.read("b", after: start, limit: limit).entries.map(\.event.id) == ["1", "2"])
        let end = try await journal.read("a", after: start, limit: limit).end
        #expect(try await journal.read("a", after: end, limit: limit).entries.isEmpty)
    }

    private func startsAtTheEnd() async throws {
        _ = try await journal.append(try submission(["1"]))
        let lease = try await journal.lease("a")
        #expect(try await journal.read("a", after: lease.cursor, limit: limit).entries.isEmpty)
    }

    private func keepsPlace() async throws {
        let lease = try await journal.lease("a")
        _ = try await journal.append(try submission(["1", "2", "3"]))
        let entries = try await journal.read("a", after: lease.cursor, limit: limit).entries
        try await journal.settle(
            Settlement(
                sink: "a", epoch: lease.epoch, cursor: entries[0].offset, settledAbove: [entries[2].offset],
                outcomes: [.delivered: 2])
        )
        let next = try await journal.lease("a")
        #expect(next.cursor == entries[0].offset)
        #expect(next.settledAbove == [entries[2].offset])
        #expect(next.epoch > lease.epoch)
    }

    private func parks() async throws {
        let lease = try await journal.lease("a")
        _ = try await journal.append(try submission(["1", "2"]))
        let entries = try await journal.read("a", after: lease.cursor, limit: limit).entries
        let subject = Subject(org: "okta", userID: "00u1")
        let failures = [FailedAttempt(number: 1, at: 5, reason: "HTTP 500")]
        let parked = entries.map {
            ParkedDelivery(offset: $0.offset, subject: subject, failures: failures, notBefore: 7)
        }
        var state = FoldState()
        _ = state.apply(Stamp(published: 1, rank: 1, eventID: "1"), .create, carrying: ["profile"])
        state.values["login"] = "x"
        try await journal.settle(
            Settlement(
                sink: "a", epoch: lease.epoch, cursor: entries[1].offset, retries: 2, parked: parked,
                states: [subject: state])
        )
        try await journal.settle(
            Settlement(
                sink: "a", epoch: lease.epoch, cursor: entries[1].offset, unparked: [entries[0].offset],
                deadLetters: [DeadLetter(offset: entries[0].offset, subject: subject, failures: failures)])
        )
        #expect(try await journal.lease("a").parked == [parked[1]])
        let other = Subject(org: "okta", userID: "other")
        #expect(try await journal.states("a", of: [subject, other]) == [subject: state])
        #expect(try await journal.states("b", of: [subject]).isEmpty)
    }

    private func redelivers() async throws {
        let lease = try await journal.lease("a")
        let first = try submission(["1"])
        _ = try await journal.append(first)
        let again = first.events.map {
            Submission.RoutedEvent(event: $0.event, route: $0.route, replay: "replay 1")
        }
        let receipt = try await journal.append(Submission(events: again))
        #expect(receipt == AppendReceipt(accepted: 0, duplicates: 0, unrouted: 0, quarantined: 0))
        let page = try await journal.read("a", after: lease.cursor, limit: limit)
        #expect(page.entries.map(\.event.id) == ["1", "1"])
        #expect(page.entries.map(\.replay) == [nil, "replay 1"])
    }

    private func keepsIntents() async throws {
        let lease = try await journal.lease("a")
        _ = try await journal.append(try submission(["1", "2", "3", "4", "5", "6", "7"]))
        let offsets = try await journal.read("a", after: lease.cursor, limit: limit).entries.map(\.offset)
        try await journal.intend("a", epoch: lease.epoch, offsets)
        func parked(_ index: Int) -> ParkedDelivery {
            ParkedDelivery(offset: offsets[index], subject: nil, failures: [], notBefore: 1)
        }
        try await journal.settle(
            Settlement(
                sink: "a", epoch: lease.epoch, cursor: offsets[1],
                settledAbove: [offsets[3], offsets[4], offsets[5]],
                parked: [parked(1), parked(4), parked(5)], unknown: [offsets[5]], unsent: [offsets[6]]))
        try await journal.intend("a", epoch: lease.epoch, [offsets[1], offsets[4]])
        try await journal.settle(
            Settlement(
                sink: "a", epoch: lease.epoch, cursor: offsets[1],
                settledAbove: [offsets[3], offsets[4], offsets[5]], retries: 1))
        // One is in flight behind the cursor, two parked ones are being tried again, one is unknown.
        let left = try await journal.lease("a").intents
        #expect(left == [offsets[1], offsets[2], offsets[4], offsets[5]])
        await #expect(throws: JournalError.fenced) {
            try await journal.intend("a", epoch: lease.epoch, [offsets[2]])
        }
    }

    private func keepsHolds() async throws {
        let lease = try await journal.lease("a")
        let hold = SinkHold(kind: .tripped, reason: "101 deletions in an hour, 100 are allowed", since: 7)
        try await journal.settle(
            Settlement(
                sink: "a", epoch: lease.epoch, cursor: lease.cursor, hold: hold, limitCounts: "counts"))
        try await journal.settle(
            Settlement(sink: "a", epoch: lease.epoch, cursor: lease.cursor, stoodStill: 5))
        try await journal.settle(
            Settlement(sink: "a", epoch: lease.epoch, cursor: lease.cursor, stoodStill: 6))
        let next = try await journal.lease("a")
        #expect(next.hold == hold)
        #expect(next.limitCounts == "counts")
        #expect(next.stoodStill - lease.stoodStill == 11)
    }

    /// The limits trip while a person pauses the sink, and once more before a person's resume is noticed.
    private func keepsPauses() async throws {
        let tripped = SinkHold(kind: .tripped, reason: "100 were deleted", since: 7)
        let pause = SinkHold(kind: .paused, reason: "maintenance", since: 8)
        func trip(_ lease: SinkLease, _ counts: String) async {
            await expectMoved {
                try await journal.settle(
                    Settlement(
                        sink: "a", epoch: lease.epoch, cursor: lease.cursor, hold: tripped,
                        limitCounts: counts))
            }
        }
        let first = try await journal.lease("a")
        try await hold("a", pause)
        await expectMoved { try await journal.intend("a", epoch: first.epoch, [Offset(rawValue: 1)]) }
        await trip(first, "first counts")
        let second = try await journal.lease("a")
        #expect(second.hold?.kind == .paused && second.hold?.reason == pause.reason)
        #expect(second.limitCounts == "first counts")
        try await hold("a", nil)
        let third = try await journal.lease("a")
        try await hold("a", pause)
        try await hold("a", nil)
        await trip(third, "second counts")
        let last = try await journal.lease("a")
        #expect(last.hold == nil && last.limitCounts == "second counts" && last.exemptTo == .zero)
    }

    private func fences() async throws {
        let old = try await journal.lease("a")
        _ = try await journal.lease("a")
        await #expect(throws: JournalError.fenced) {
            try await journal.settle(Settlement(sink: "a", epoch: old.epoch, cursor: old.cursor))
        }
    }

    private func parked(_ offset: Offset) -> ParkedDelivery {
        ParkedDelivery(offset: offset, subject: nil, failures: [], notBefore: 1)
    }

    private func expectMoved(_ body: () async throws -> Void) async {
        await #expect(throws: JournalError.moved) { try await body() }
    }

    /// The second is parked and being tried again, the third to fifth are in flight; two are given up.
    private func settlesMovedOn() async throws {
        let lease = try await journal.lease("a")
        _ = try await journal.append(try submission(["1", "2", "3", "4", "5", "6"]))
        let offsets = try await journal.read("a", after: lease.cursor, limit: limit).entries.map(\.offset)
        var settlement = Settlement(sink: "a", epoch: lease.epoch, cursor: offsets[1])
        settlement.parked = [parked(offsets[1])]
        try await journal.settle(settlement)
        try await journal.intend("a", epoch: lease.epoch, Array(offsets[1...4]))
        try await move("a", offsets[2])
        await expectMoved { try await journal.intend("a", epoch: lease.epoch, [offsets[5]]) }
        let first = Settlement(
            sink: "a", epoch: lease.epoch, cursor: offsets[1], settledAbove: [offsets[3], offsets[4]],
            outcomes: [.delivered: 2], parked: [parked(offsets[4])], unparked: [offsets[1]],
            ended: [offsets[1], offsets[3]], unknown: [offsets[4]])
        await expectMoved { try await journal.settle(first) }
        let last = Settlement(
            sink: "a", epoch: lease.epoch, cursor: offsets[4],
            deadLetters: [DeadLetter(offset: offsets[2], subject: nil, failures: [])], ended: [offsets[2]])
        guard case .held(let recorded) = try await journal.record(last) else {
            Issue.record("the place was moved")
            return
        }
        #expect(recorded.deadLetters.isEmpty && recorded.cursor == offsets[4])
        let next = try await journal.lease("a")
        #expect(next.cursor == offsets[4] && next.settledAbove.isEmpty)
        #expect(next.parked.map(\.offset) == [offsets[4]] && next.intents == [offsets[4]])
        await #expect(throws: JournalError.fenced) { try await journal.settle(last) }
    }

    /// Two are settled and come again; of three that are in flight one is delivered, one fails, and of one
    /// nobody knows.
    private func settlesMovedBack() async throws {
        let lease = try await journal.lease("a")
        _ = try await journal.append(try submission(["1", "2", "3", "4", "5"]))
        let offsets = try await journal.read("a", after: lease.cursor, limit: limit).entries.map(\.offset)
        var settlement = Settlement(sink: "a", epoch: lease.epoch, cursor: offsets[1])
        (settlement.outcomes, settlement.ended) = ([.delivered: 2], Array(offsets[...1]))
        try await journal.settle(settlement)
        try await journal.intend("a", epoch: lease.epoch, Array(offsets[2...4]))
        try await move("a", lease.cursor)
        let last = Settlement(
            sink: "a", epoch: lease.epoch, cursor: offsets[4], outcomes: [.delivered: 1], retries: 2,
            parked: [parked(offsets[3]), parked(offsets[4])], ended: [offsets[2]], unknown: [offsets[4]])
        await expectMoved { try await journal.settle(last) }
        let next = try await journal.lease("a")
        #expect(next.cursor == lease.cursor && next.settledAbove == [offsets[2]] && next.parked.isEmpty)
        #expect(next.intents == [offsets[4]])
    }

    /// Four are in flight when they are given up; then one is delivered and one is not, and all are wanted
    /// again.
    private func keepsMovedIntents() async throws {
        let lease = try await journal.lease("a")
        _ = try await journal.append(try submission(["1", "2", "3", "4"]))
        let offsets = try await journal.read("a", after: lease.cursor, limit: limit).entries.map(\.offset)
        try await journal.intend("a", epoch: lease.epoch, offsets)
        try await move("a", offsets[3])
        let first = Settlement(
            sink: "a", epoch: lease.epoch, cursor: offsets[0], settledAbove: [offsets[3]],
            outcomes: [.delivered: 1],
            deadLetters: [DeadLetter(offset: offsets[3], subject: nil, failures: [])],
            ended: [offsets[0], offsets[3]])
        await expectMoved { try await journal.settle(first) }
        try await move("a", lease.cursor)
        let last = Settlement(
            sink: "a", epoch: lease.epoch, cursor: offsets[3], retries: 2,
            parked: [parked(offsets[1]), parked(offsets[2])], unknown: [offsets[2]])
        await expectMoved { try await journal.settle(last) }
        let next = try await journal.lease("a")
        #expect(next.cursor == lease.cursor && next.settledAbove.isEmpty && next.parked.isEmpty)
        #expect(next.intents == [offsets[2], offsets[3]])
        // What is given up for good is no longer intended by whoever comes then.
        try await move("a", offsets[3])
        #expect(try await journal.lease("a").intents.isEmpty)
    }

    private func limitsReads() async throws {
        let start = try await journal.lease("a").cursor
        _ = try await journal.append(try submission((1...5).map(String.init)))
        var ids: [String] = []
        var cursor = start
        var isAtHorizon = false
        while !isAtHorizon {
            let page = try await journal.read(
                "a", after: cursor, limit: ReadLimit(entries: 2, bytes: 1 << 20))
            #expect(page.entries.count <= 2)
            ids += page.entries.map(\.event.id)
            cursor = page.end
            isAtHorizon = page.isAtHorizon
        }
        #expect(ids == ["1", "2", "3", "4", "5"])
        let small = try await journal.read("a", after: start, limit: ReadLimit(entries: 9, bytes: 1))
        #expect(small.entries.map(\.event.id) == ["1"])
        #expect(!small.isAtHorizon)
    }

    private func tellsNews() async throws {
        let cursor = try await journal.lease("a").cursor
        var news = journal.news().makeAsyncIterator()
        _ = try await journal.append(try submission(["1"]))
        while try await journal.read("a", after: cursor, limit: limit).entries.isEmpty {
            guard await news.next() != nil else { break }
        }
        #expect(try await journal.read("a", after: cursor, limit: limit).entries.count == 1)
    }

    private func takesManyAtOnce() async throws {
        let cursor = try await journal.lease("a").cursor
        let accepted = try await withThrowingTaskGroup(of: Int.self) { group in
            for id in 0..<200 {
                group.addTask { try await journal.append(try submission(["\(id % 150)"])).accepted }
            }
            return try await group.reduce(0, +)
        }
        #expect(accepted == 150)
        let page = try await journal.read(
            "a", after: cursor, limit: ReadLimit(entries: 1_000, bytes: 1 << 30))
        #expect(Set(page.entries.map(\.event.id)).count == 150)
        #expect(page.entries.count == 150)
        #expect(zip(page.entries, page.entries.dropFirst()).allSatisfy { $0.offset < $1.offset })
    }

    private func refusesAfterClose() async throws {
        await journal.close()
        await #expect(throws: JournalError.closed) { try await journal.append(try submission(["1"])) }
    }
}
