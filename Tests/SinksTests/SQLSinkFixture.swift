import Config
import Foundation
import GRDB
import JSON
import Relay
import RelayTesting

@testable import Sinks

/// Both SQL sinks as tests see them: made by the factory, rows read through the sink's own pages.
struct SQLSinkFixture: SinkFixture {
    enum Database: String, Sendable, CaseIterable { case sqlite, postgresql }

    let sink: any Sink
    let database: Database
    /// SQLite's file, PostgreSQL's URL.
    let place: String
    private let folder: TemporaryFolder?

    init(_ database: Database, _ table: TableConfiguration = TableConfiguration(name: "users")) throws {
        self.database = database
        switch database {
        case .sqlite:
            let folder = try TemporaryFolder()
            self.folder = folder
            place = folder.file("data/users.sqlite")
        case .postgresql:
            folder = nil
            place = try PostgresCluster.shared().makeDatabase()
        }
        sink = try Self.makeSink(database, place, table)
    }

    static func makeSink(
        _ database: Database, _ place: String, _ table: TableConfiguration
    ) throws -> any Sink {
        let kind: SinkConfiguration.Kind =
            switch database {
            case .sqlite: .sqlite(SQLiteSinkConfiguration(path: place, table: table))
            case .postgresql: .postgresql(PostgreSQLSinkConfiguration(url: Secret(place), table: table))
            }
        let factory = SinkFactory(clock: ManualClock(), logger: .quiet)
        return try factory.make(SinkConfiguration(name: "users", kind: kind))
    }

    /// Another sink on the same table.
    func another(_ table: TableConfiguration) throws -> any Sink { try Self.makeSink(database, place, table) }

    func effects() async throws -> [String] {
        try await rows().map { "\($0["id"] ?? "-"):\($0["display_name"] ?? "-")" }.sorted()
    }

    /// All rows, with JSON text for values that are no strings; NULL is left out.
    func rows(of sink: (any Sink)? = nil, pageSize: Int = 1_000) async throws -> [[String: String]] {
        guard let sink = (sink ?? self.sink) as? any RowBrowsing else { return [] }
        var rows: [[String: String]] = []
        var after: String?
        repeat {
            let page = try await sink.rows(after: after, limit: pageSize)
            for row in try JSONDocument(page.rows).root.elements {
                let members = row.members.filter { !$0.value.isNull }.map { member in
                    let raw = String(decoding: member.value.raw, as: UTF8.self)
                    return (member.name.string ?? "", member.value.string ?? raw)
                }
                rows.append(Dictionary(members) { _, last in last })
            }
            after = page.next
        } while after != nil
        return rows
    }

    func deliver(_ samples: [EventSample]) async throws -> [Receipt.Outcome] {
        try await deliver(samples.map(\.event))
    }

    func deliver(_ events: [Event], to other: (any Sink)? = nil) async throws -> [Receipt.Outcome] {
        let batch = events.enumerated().map { index, event in
            Delivery(offset: Offset(rawValue: Int64(index)), event: event, rule: "all", attempt: 1)
        }
        let receipts = try await (other ?? sink).deliver(batch)
        return receipts.sorted { $0.offset < $1.offset }.map(\.outcome)
    }

    /// Why the sink is misconfigured, by what it says to a batch; else what became of that.
    func misconfiguration(_ samples: [EventSample]) async -> String {
        await SinkError.misconfiguration { try await deliver(samples) }
    }

    /// Runs statements beside the sink, as the database's owner would.
    @discardableResult
    func execute(_ sql: String...) throws -> [[String?]] {
        switch database {
        case .sqlite:
            let folder = URL(fileURLWithPath: place).deletingLastPathComponent()
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let queue = try DatabaseQueue(path: place)
            return try queue.writeWithoutTransaction { database in
                for statement in sql.dropLast() { try database.execute(sql: statement) }
                return try Row.fetchAll(database, sql: sql.last ?? "SELECT 1").map { row in
                    row.databaseValues.map {
                        String.fromDatabaseValue($0) ?? Int.fromDatabaseValue($0).map(String.init)
                    }
                }
            }
        case .postgresql:
            let connection = try PostgresConnector(url: Secret(place)).connect()
            return try connection.run(sql.map { PostgresStatement($0) }).last ?? []
        }
    }
}

extension SinkError {
    /// The reason for which a sink is misconfigured; what it did instead where it is not.
    static func misconfiguration<Result>(_ body: () async throws -> Result) async -> String {
        do {
            return "no error: \(try await body())"
        } catch {
            guard case .misconfigured(let reason)? = error as? SinkError else {
                return "not misconfigured: \(error)"
            }
            return reason
        }
    }
}
