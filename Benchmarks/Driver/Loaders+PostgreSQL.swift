import CPostgres
import Foundation
import Relay
import Rules

/// One connection to PostgreSQL.
final class PostgresClient {
    private let connection: OpaquePointer

    init(_ url: String) throws {
        guard let connection = PQconnectdb(url) else { throw BenchmarkError("no memory for a connection") }
        self.connection = connection
        guard PQstatus(connection) == CONNECTION_OK else { throw failure }
    }

    deinit { PQfinish(connection) }

    private var failure: BenchmarkError { BenchmarkError(String(cString: PQerrorMessage(connection))) }

    /// Runs statements without an answer.
    func run(_ sql: String) throws {
        let result = PQexec(connection, sql)
        defer { PQclear(result) }
        guard PQresultStatus(result) == PGRES_COMMAND_OK else { throw failure }
    }

    func run(_ sql: String, _ values: [UnsafePointer<CChar>?]) throws {
        let result = PQexecParams(connection, sql, Int32(values.count), nil, values, nil, nil, 0)
        defer { PQclear(result) }
        guard PQresultStatus(result) == PGRES_COMMAND_OK else { throw failure }
    }

    func count(_ table: String) throws -> Int {
        let result = PQexec(connection, "SELECT count(*) FROM \(table)")
        defer { PQclear(result) }
        guard PQresultStatus(result) == PGRES_TUPLES_OK, let text = PQgetvalue(result, 0, 0) else {
            throw failure
        }
        return Int(String(cString: text)) ?? 0
    }

    /// The values of a query's one column.
    func texts(_ sql: String) throws -> [String] {
        let result = PQexec(connection, sql)
        defer { PQclear(result) }
        guard PQresultStatus(result) == PGRES_TUPLES_OK else { throw failure }
        return (0..<PQntuples(result)).compactMap { row in
            PQgetvalue(result, row, 0).map { String(cString: $0) }
        }
    }

    /// Puts users into a sink's upsert table `t` as if it had written each when they were created, years ago:
    /// rows, and states in the sink's own form.
    func prefill(users: Int) throws {
        let stamp = Stamp(
            published: 1_577_836_800_000_000_000, rank: Operation.create.rank,
            eventID: "00000000-0000-11ea-0000-000000000000")
        var state = FoldState()
        let carried = LoaderRow.upsert.filter { $0 != "id" && $0 != "deleted_at" }
        _ = state.apply(stamp, .create, carrying: carried)
        let id = "'\(EventSource.userIDPrefix)' || lpad(n::text, \(EventSource.userIDDigits), '0')"
        try run(
            """
            INSERT INTO t (id, login, display_name, status, last_event_id, last_event_type, updated_at)
            SELECT \(id), 'user.' || n || '@example.com', 'User ' || n, 'STAGED', '\(stamp.eventID)',
                'user.lifecycle.create', '2020-01-01T00:00:00Z' FROM generate_series(0, \(users - 1)) AS n
            """)
        try run(
            """
            INSERT INTO t_relay (key, subject, state)
            SELECT '["' || \(id) || '"]', '["okta","' || \(id) || '"]',
                '\(String(decoding: state.json, as: UTF8.self))' FROM generate_series(0, \(users - 1)) AS n
            """)
        try run("VACUUM ANALYZE")
    }
}

extension Loaders {
    /// Rows a second: one statement per thousand rows, with an array per column through `unnest`.
    static func postgres(_ table: LoaderTable, url: String) throws -> Double {
        let client = try PostgresClient(url)
        let arrays = table.columns.enumerated().map { "$\($0 + 1)::\(type(of: $1))[]" }
        let sql =
            "INSERT INTO t (\(table.columns.joined(separator: ", "))) "
            + "SELECT * FROM unnest(\(arrays.joined(separator: ", "))) \(table.conflict)"
        let rows = table.rows
        let start = monotonic()
        for first in stride(from: 0, to: rows.count, by: batch) {
            // A statement may touch a row once only: the last of a key wins.
            var last: [String: Int] = [:]
            for index in first..<min(first + batch, rows.count) { last[rows[index].key] = index }
            let literals = table.columns.indices.map { literal(last.values.map { rows[$0] }, column: $0) }
            let values = literals.map { UnsafePointer(strdup($0)) }
            defer { for value in values { free(UnsafeMutablePointer(mutating: value)) } }
            try client.run(sql, values)
        }
        return Double(rows.count) / (Double(monotonic() - start) / 1e9)
    }

    private static func type(of column: String) -> String {
        switch column {
        case "published", "received_at", "updated_at", "deleted_at": "timestamptz"
        case "body": "json"
        default: "text"
        }
    }

    private static func literal(_ rows: [LoaderRow], column: Int) -> [CChar] {
        var text: [CChar] = [0x7B]
        for row in rows {
            if text.count > 1 { text.append(0x2C) }
            guard let value = row.columns[column] else {
                text.append(contentsOf: [0x4E, 0x55, 0x4C, 0x4C])
                continue
            }
            text.append(0x22)
            for byte in value.dropLast() {
                if byte == 0x22 || byte == 0x5C { text.append(0x5C) }
                text.append(byte)
            }
            text.append(0x22)
        }
        text.append(contentsOf: [0x7D, 0])
        return text
    }
}
