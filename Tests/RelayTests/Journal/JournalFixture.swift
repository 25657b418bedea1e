import Config
import Foundation
import GRDB
import Logging
@testable import Relay
import RelayTesting
import Rules

/// A journal in a folder of its own, on a clock that the test moves.
struct JournalFixture {
    let folder: TemporaryFolder
    /// The one that the journal is on, which lasts as long as this.
    private let disk: ScratchDisk?
    let path: String
    let clock = ManualClock()
    let log = CapturedLog()
    let day = Duration.seconds(86_400)

    var logger: Logger { Logger(label: "test") { [log] _ in log } }

    init() throws {
        folder = try TemporaryFolder()
        disk = nil
        path = folder.file("journal.sqlite")
    }

    /// - Parameter isLinked: Whether its path is that of a symbolic link to the disk.
    init(on disk: ScratchDisk, isLinked: Bool = false) throws {
        folder = try TemporaryFolder()
        self.disk = disk
        let file = disk.file("journal.sqlite")
        path = isLinked ? folder.file("journal.sqlite") : file
        guard isLinked else { return }
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: file)
    }

    func open(
        retention: Duration = .seconds(30 * 86_400), sizeMax: Int = Limits.journalSizeDefault,
        deadLetterBytesMax: Int? = nil, quarantineBytesMax: Int? = nil
    ) async throws -> SQLiteJournal {
        try await SQLiteJournal(
            JournalConfiguration(
                path: path, retention: retention, sizeMax: sizeMax, deadLetterBytesMax: deadLetterBytesMax,
                quarantineBytesMax: quarantineBytesMax),
            clock: clock, logger: logger)
    }

    func submission(
        _ ids: Range<Int>, to sinks: [String], bytes: Int = 10, replay: String? = nil, at: Int64? = nil
    ) throws -> Submission {
        let route = Route(choices: sinks.map { Route.Choice(sink: $0, rule: "r") })
        return Submission(
            events: try ids.map {
                var fixture = LogEventFixture(uuid: "event-\($0)")
                fixture.displayName = String(repeating: "x", count: bytes)
                return Submission.RoutedEvent(
                    event: try fixture.event(receivedAt: at ?? clock.now), route: route, replay: replay)
            })
    }

    func kept() throws -> [Int64] {
        try read { try Int64.fetchAll($0, sql: #"SELECT "offset" FROM bodies ORDER BY 1"#) }
    }

    func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
        try DatabaseQueue(path: path).read(body)
    }

    /// Changes the file behind the journal's back.
    func edit(_ sql: String) throws {
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.foreignKeysEnabled = false
        try DatabaseQueue(path: path, configuration: configuration).writeWithoutTransaction { db in
            try db.execute(sql: sql)
        }
    }

    func sink(_ name: String) async throws -> SinkStatus? {
        try await SQLiteJournalInspection(path: path).status().sinks.first { $0.name == name }
    }

    func detached(_ sink: String? = nil) async throws -> [DetachedRange] {
        try await SQLiteJournalInspection(path: path).detached(DetachedFilter(sink: sink), PageRequest())
    }

    func verify() async throws -> JournalVerification {
        try await SQLiteJournalInspection(path: path).verify { _ in }
    }

    func isLogged(_ text: String) -> Bool { log.lines.contains { $0.contains(text) } }
}

extension SQLiteJournal {
    /// Settles everything up to an offset as delivered.
    func settle(_ lease: SinkLease, to cursor: Int64) async throws {
        let ended = (lease.cursor.rawValue..<cursor).map { Offset(rawValue: $0 + 1) }
        try await settle(
            Settlement(
                sink: lease.sink, epoch: lease.epoch, cursor: Offset(rawValue: cursor),
                outcomes: [.delivered: ended.count], ended: ended))
    }
}
