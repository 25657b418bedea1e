public import Relay

/// What every sink must do, whatever it writes to: one suite, run over all of them.
///
/// A test gives it a ``SinkFixture`` and runs each ``Check``; a failure is thrown as ``ConformanceFailure``.
public enum SinkConformance {
    /// One check each; the fixture is fresh for each.
    public enum Check: String, Sendable, CaseIterable, CustomStringConvertible {
        case emptyBatch = "an empty batch gives no receipts"
        case maxBatch = "a batch of the largest size gives a receipt per delivery"
        case duplicateInBatch = "an event twice in one batch has the effect of one"
        case sameBatchTwice = "a batch twice has the effect of one"
        case staleAfterFresh = "an older event after a newer one changes nothing that the newer one said"
        case order = "a user's events in one batch end in the last one's words"
        case eventWithoutUser = "an event without a user gets a receipt and doesn't hurt the others"
        case prepareTwice = "prepare may be called again, also between batches"
        case outage = "an outage is unavailable, and the sink recovers by itself"
        case probe = "a probe of a healthy sink succeeds"

        public var description: String { rawValue }
    }

    /// Runs one check.
    public static func run(_ check: Check, _ fixture: any SinkFixture) async throws {
        let sink = fixture.sink
        try await sink.prepare()
        switch check {
        case .emptyBatch: try expect(try await sink.deliver([]).isEmpty, "receipts for nothing")
        case .maxBatch: try await maxBatch(fixture)
        case .duplicateInBatch:
            try await deliver([fixture.create("a", at: 1), fixture.create("a", at: 1)], to: fixture)
            try expect(try await fixture.effects() == ["a:a@1"], "the effect is not that of one event")
        case .sameBatchTwice:
            let batch = [fixture.create("a", at: 1), fixture.update("a", at: 2)]
            try await deliver(batch, to: fixture)
            let before = try await fixture.effects()
            try await deliver(batch, to: fixture)
            try expect(try await fixture.effects() == before, "the second time changed something")
        case .staleAfterFresh:
            try await deliver([fixture.update("a", at: 5)], to: fixture)
            try await deliver([fixture.update("a", at: 3)], to: fixture)
            try expect(try await fixture.effects() == ["a:a@5"], "the older event won")
        case .order:
            let batch = [fixture.create("a", at: 1), fixture.update("a", at: 2), fixture.update("a", at: 3)]
            try await deliver(batch, to: fixture)
            try expect(try await fixture.effects() == ["a:a@3"], "the last event's words are not there")
        case .eventWithoutUser:
            let batch = [
                fixture.create("a", at: 1), fixture.eventWithoutUser(at: 2), fixture.create("b", at: 3),
            ]
            try await deliver(batch, to: fixture)
            try expect(try await fixture.effects() == ["a:a@1", "b:b@3"], "the others were hurt")
        case .prepareTwice:
            try await deliver([fixture.create("a", at: 1)], to: fixture)
            try await sink.prepare()
            try await deliver([fixture.update("a", at: 2)], to: fixture)
            try expect(try await fixture.effects() == ["a:a@2"], "the second prepare lost something")
        case .outage: try await outage(fixture)
        case .probe: try await sink.probe()
        }
        await sink.shutdown()
    }

    private static func maxBatch(_ fixture: any SinkFixture) async throws {
        let count = fixture.sink.limits.batchEventsMax
        let batch = (0..<count).map { fixture.create("u\($0)", at: Int64($0 + 1)) }
        try await deliver(batch, to: fixture)
        let effects = try await fixture.effects()
        try expect(effects.count == count, "\(effects.count) effects of \(count)")
    }

    private static func outage(_ fixture: any SinkFixture) async throws {
        guard try await fixture.breakDestination() else { return }
        do throws(SinkError) {
            _ = try await fixture.sink.deliver(numbered([fixture.create("a", at: 1)]))
            throw .misconfigured(reason: "no error at all")
        } catch {
            guard case .unavailable = error else {
                throw ConformanceFailure("an outage is \(error), not unavailable")
            }
        }
        try await fixture.mendDestination()
        try await fixture.sink.prepare()
        try await deliver([fixture.create("a", at: 1)], to: fixture)
        try expect(try await fixture.effects() == ["a:a@1"], "the event is missing after the outage")
    }

    private static func numbered(_ events: [Event]) -> [Delivery] {
        events.enumerated().map { index, event in
            Delivery(offset: Offset(rawValue: Int64(index + 1)), event: event, rule: "all", attempt: 1)
        }
    }

    /// Delivers as the engine does: batches of several users, and where the sink folds no users, one event
    /// of a user a batch.
    ///
    /// Each delivery must get exactly one receipt.
    private static func deliver(_ events: [Event], to fixture: any SinkFixture) async throws {
        let all = numbered(events)
        let batches = fixture.sink.limits.foldsUsers ? [all] : all.map { [$0] }
        for batch in batches {
            let batch = try await fixture.withState(batch)
            let receipts = try await fixture.sink.deliver(batch)
            let offsets = receipts.map(\.offset).sorted()
            try expect(offsets == batch.map(\.offset).sorted(), "not one receipt per delivery")
            try await fixture.settle(receipts, of: batch)
        }
    }

    private static func expect(_ isTrue: Bool, _ message: String) throws {
        if !isTrue { throw ConformanceFailure(message) }
    }
}

/// A sink with its destination, as ``SinkConformance`` uses it.
public protocol SinkFixture: Sendable {
    var sink: any Sink { get }

    /// What the destination has now: `user:display name` per user, ascending.
    func effects() async throws -> [String]
    /// Takes the destination away; false where this fixture cannot.
    func breakDestination() async throws -> Bool
    func mendDestination() async throws
    /// The engine's part for sinks that keep state: hands it over with the deliveries …
    func withState(_ batch: [Delivery]) async throws -> [Delivery]
    /// … and stores what the receipts give back.
    func settle(_ receipts: [Receipt], of batch: [Delivery]) async throws
}

extension SinkFixture {
    public func breakDestination() async throws -> Bool { false }
    public func mendDestination() async throws {}
    public func withState(_ batch: [Delivery]) async throws -> [Delivery] { batch }
    public func settle(_ receipts: [Receipt], of batch: [Delivery]) async throws {}

    /// A creation whose user's display name is `user@second`.
    func create(_ user: String, at second: Int64) -> Event {
        EventSample(type: "user.lifecycle.create", user: user, second: second).event
    }

    func update(_ user: String, at second: Int64) -> Event {
        EventSample(type: "user.account.update_profile", user: user, second: second).event
    }

    func eventWithoutUser(at second: Int64) -> Event {
        EventSample(type: "user.account.update_profile", user: nil, second: second).event
    }
}

/// A sink did not do what ``SinkConformance`` asks for.
public struct ConformanceFailure: Error, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
