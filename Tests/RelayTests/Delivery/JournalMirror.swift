import Config
import GRDB
import Logging
@testable import Relay
import RelayTesting
import Rules

/// The real journal's writer, on a database in memory, beside the ledger of a simulation: given the same
/// appends and settlements it must hand out the same leases.
final class JournalMirror {
    /// Where all mirrors have their one reserve.
    private static let folder = Result { try TemporaryFolder() }

    private let writer: JournalWriter
    private var count = 0
    private var epoch: Int64 = 0

    init() throws {
        let queue = try DatabaseQueue()
        try JournalSchema.migrator.migrate(queue)
        var quiet = Logger(label: "test")
        quiet.logLevel = .critical
        writer = try JournalWriter(
            queue, clock: ManualClock(),
            limits: JournalConfiguration(path: Self.folder.get().file("mirror"), retention: .seconds(86_400)),
            logger: quiet, publish: { _, _ in }, checkpointIsDue: { _ in })
    }

    func append(_ event: Event, isRouted: Bool) throws {
        count += 1
        // The simulation has few distinct events; here each is one of its own.
        let digest = EventDigest(org: "mirror", eventID: "\(count)")
        let route = Route(choices: isRouted ? [Route.Choice(sink: "sink", rule: "rule")] : [])
        try writer.transaction {
            _ = try writer.append(
                Submission(events: [Submission.RoutedEvent(event: event, route: route)]), digests: [digest])
        }
    }

    func settle(_ settlement: Settlement, at now: Int64) throws {
        try writer.transaction { try writer.settle(settlement, at: now) }
    }

    func intend(_ offsets: [Offset]) throws {
        let epoch = epoch
        try writer.transaction { try writer.intend("sink", epoch: epoch, offsets) }
    }

    func lease() throws -> SinkLease {
        var lease: SinkLease?
        try writer.transaction { lease = try writer.lease("sink") }
        guard let lease else { throw JournalError.closed }
        epoch = lease.epoch
        return lease
    }
}
