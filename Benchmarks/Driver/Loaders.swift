import CCurl
import CPostgres
import Foundation
import GRDBSQLite
import JSON
import Relay
import Rules

/// What a sink writes for one event, as plain C strings, ready before the clock starts.
struct LoaderRow {
    let columns: [[CChar]?]
    let key: String

    /// The columns of an append table, in order.
    static let append = [
        "event_id", "event_type", "published", "received_at", "hook", "user_id", "user_login", "operation",
        "outcome", "body",
    ]
    /// The columns of an upsert table that an event fills, in order.
    static let upsert = [
        "id", "login", "display_name", "status", "deleted_at", "last_event_id", "last_event_type",
        "updated_at",
    ]

    init(appending event: Event) {
        let values: [String?] = [
            event.id, event.type, event.published?.description,
            Timestamp(nanoseconds: event.receivedAt).description, event.hook, event.user?.id,
            event.user?.login, event.meaning.operation.rawValue, event.outcome,
            String(decoding: event.body.bytes, as: UTF8.self),
        ]
        columns = values.map { $0.map { Array($0.utf8CString) } }
        key = event.id
    }

    init(upserting event: Event) {
        let published = event.published?.description
        let values: [String?] = [
            event.user?.id ?? event.id, event.user?.login, event.user?.displayName, event.meaning.status,
            event.meaning.operation == .delete ? published : nil, event.id, event.type, published,
        ]
        columns = values.map { $0.map { Array($0.utf8CString) } }
        key = event.user?.id ?? event.id
    }
}

/// Straight loops over the C libraries: what each sink could reach at most.
enum Loaders {
    static let batch = 1_000

    // MARK: - SQLite

    /// Rows a second into a sink's table; see ``sqlite(_:create:insert:path:)``.
    static func sqlite(_ rows: [LoaderRow], columns: [String], isUpsert: Bool, path: String) throws -> Double
    {
        let definitions = columns.map { "\($0) TEXT" }.joined(separator: ", ")
        let places = columns.map { _ in "?" }.joined(separator: ", ")
        return try sqlite(
            rows.map(\.columns),
            create: "CREATE TABLE t (\(definitions), PRIMARY KEY (\(columns[0]))) WITHOUT ROWID",
            insert: "INSERT INTO t VALUES (\(places)) \(conflict(columns, isUpsert))",
            path: path)
    }

    /// Rows a second: one prepared statement, `batch` rows a transaction, WAL and `synchronous=FULL`.
    static func sqlite(
        _ rows: [[[CChar]?]], create: String, insert: String, path: String, batch: Int = batch
    ) throws -> Double {
        var database: OpaquePointer?
        guard sqlite3_open(path, &database) == SQLITE_OK else { throw BenchmarkError("cannot open \(path)") }
        defer { sqlite3_close(database) }
        for sql in [
            "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
            create,
        ] where sqlite3_exec(database, sql, nil, nil, nil) != SQLITE_OK {
            throw BenchmarkError("\(sql) failed")
        }
        var statement: OpaquePointer?
        guard sqlite3_prepare_v2(database, insert, -1, &statement, nil) == SQLITE_OK else {
            throw BenchmarkError("\(insert) failed")
        }
        defer { sqlite3_finalize(statement) }
        let start = monotonic()
        for first in stride(from: 0, to: rows.count, by: batch) {
            sqlite3_exec(database, "BEGIN IMMEDIATE", nil, nil, nil)
            for row in rows[first..<min(first + batch, rows.count)] {
                for (index, value) in row.enumerated() {
                    // No destructor: the row outlives the step.
                    value?.withUnsafeBufferPointer {
                        _ = sqlite3_bind_text(
                            statement, Int32(index + 1), $0.baseAddress, Int32($0.count - 1), nil)
                    }
                }
                guard sqlite3_step(statement) == SQLITE_DONE else { throw BenchmarkError("a row failed") }
                sqlite3_reset(statement)
                sqlite3_clear_bindings(statement)
            }
            sqlite3_exec(database, "COMMIT", nil, nil, nil)
        }
        return Double(rows.count) / (Double(monotonic() - start) / 1e9)
    }

    // MARK: - PostgreSQL

    /// Rows a second: one statement per thousand rows, with an array per column through `unnest`.
    static func postgres(_ rows: [LoaderRow], columns: [String], isUpsert: Bool, url: String) throws -> Double
    {
        guard let connection = PQconnectdb(url), PQstatus(connection) == CONNECTION_OK else {
            throw BenchmarkError("cannot connect to PostgreSQL")
        }
        defer { PQfinish(connection) }
        let types = columns.map { column in
            switch column {
            case "published", "received_at", "updated_at", "deleted_at": "timestamptz"
            case "body": "json"
            default: "text"
            }
        }
        let table = zip(columns, types).map { "\($0) \($1)" }.joined(separator: ", ")
        let create =
            "DROP TABLE IF EXISTS loaded; CREATE TABLE loaded (\(table), PRIMARY KEY (\(columns[0])))"
        PQclear(PQexec(connection, create))
        let arrays = types.enumerated().map { "$\($0 + 1)::\($1)[]" }.joined(separator: ", ")
        let sql = "INSERT INTO loaded SELECT * FROM unnest(\(arrays)) \(conflict(columns, isUpsert))"
        let start = monotonic()
        for first in stride(from: 0, to: rows.count, by: batch) {
            // A statement may touch a row once only: the last of a key wins.
            var last: [String: Int] = [:]
            for index in first..<min(first + batch, rows.count) { last[rows[index].key] = index }
            let literals = columns.indices.map { literal(last.values.map { rows[$0] }, column: $0) }
            let values = literals.map { UnsafePointer(strdup($0)) }
            defer { for value in values { free(UnsafeMutablePointer(mutating: value)) } }
            let result = PQexecParams(connection, sql, Int32(values.count), nil, values, nil, nil, 0)
            defer { PQclear(result) }
            guard PQresultStatus(result) == PGRES_COMMAND_OK else {
                throw BenchmarkError(String(cString: PQerrorMessage(connection)))
            }
        }
        return Double(rows.count) / (Double(monotonic() - start) / 1e9)
    }

    /// What happens to a row that is there already.
    private static func conflict(_ columns: [String], _ isUpsert: Bool) -> String {
        guard isUpsert else { return "ON CONFLICT DO NOTHING" }
        let changes = columns.dropFirst().map { "\($0) = excluded.\($0)" }.joined(separator: ", ")
        return "ON CONFLICT (\(columns[0])) DO UPDATE SET \(changes)"
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

    // MARK: - HTTP

    /// Requests a second: libcurl's multi interface with 64 transfers at once, handles and connections kept.
    static func http(_ bodies: [(url: String, body: [UInt8])], port: Int) throws -> Double {
        guard let multi = curl_multi_init() else { throw BenchmarkError("no libcurl") }
        defer { curl_multi_cleanup(multi) }
        var headers = curl_slist_append(nil, "Content-Type: application/json")
        headers = curl_slist_append(headers, "Idempotency-Key: 0123456789abcdef")
        defer { curl_slist_free_all(headers) }
        var next = 0
        var done = 0
        func start(_ easy: UnsafeMutableRawPointer) {
            guard next < bodies.count else { return }
            let (url, body) = bodies[next]
            next += 1
            _ = relay_curl_set_string(easy, CURLOPT_URL, url)
            _ = relay_curl_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
            body.withUnsafeBytes { bytes in
                if let start = bytes.baseAddress {
                    _ = relay_curl_set_pointer(easy, CURLOPT_COPYPOSTFIELDS, start)
                }
            }
            curl_multi_add_handle(multi, easy)
        }
        let easies = (0..<64).compactMap { _ in curl_easy_init() }
        defer { for easy in easies { curl_easy_cleanup(easy) } }
        let begin = monotonic()
        for easy in easies {
            _ = relay_curl_set_list(easy, CURLOPT_HTTPHEADER, headers)
            start(easy)
        }
        while done < bodies.count {
            var running: Int32 = 0
            curl_multi_perform(multi, &running)
            var left: Int32 = 0
            while let message = curl_multi_info_read(multi, &left) {
                guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle else {
                    continue
                }
                let code = relay_curl_message_result(message)
                guard code == CURLE_OK else { throw BenchmarkError("libcurl: \(code)") }
                done += 1
                curl_multi_remove_handle(multi, easy)
                start(easy)
            }
            if running > 0 { curl_multi_poll(multi, nil, 0, 1_000, nil) }
        }
        return Double(bodies.count) / (Double(monotonic() - begin) / 1e9)
    }
}
