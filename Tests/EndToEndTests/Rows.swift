import Config
import GRDB
import RelayTesting

@testable import Sinks

/// Reads tables as their owner would, beside the relay; on threads of their own, for it blocks.
enum Rows {
    /// Rows of a SQLite file; every value as text, NULL as nil.
    static func sqlite(_ path: String, _ sql: String) async throws -> [[String?]] {
        try await onOwnThread {
            var configuration = Configuration()
            configuration.readonly = true
            configuration.busyMode = .timeout(5)
            return try DatabaseQueue(path: path, configuration: configuration).read { database in
                try Row.fetchAll(database, sql: sql).map { row in
                    row.databaseValues.map { value in
                        String.fromDatabaseValue(value) ?? Int64.fromDatabaseValue(value).map(String.init)
                    }
                }
            }
        }
    }

    /// Changes a SQLite file behind the relay's back.
    static func change(_ path: String, _ sql: String) async throws {
        try await onOwnThread {
            var configuration = Configuration()
            configuration.busyMode = .timeout(5)
            try DatabaseQueue(path: path, configuration: configuration).write { try $0.execute(sql: sql) }
        }
    }

    /// Rows of a PostgreSQL database.
    static func postgresql(_ url: String, _ sql: String) async throws -> [[String?]] {
        try await onOwnThread {
            try PostgresConnector(url: Secret(url)).connect().run([PostgresStatement(sql)]).last ?? []
        }
    }
}
