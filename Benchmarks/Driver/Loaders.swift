import CCurl
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

/// The rows of a table `t` as a sink of that mode makes it.
struct LoaderTable {
    let mode: String
    let rows: [LoaderRow]
    let columns: [String]
    var isUpsert: Bool { mode == "upsert" }

    init(_ mode: String, _ events: some Sequence<Event>) {
        self.mode = mode
        let isUpsert = mode == "upsert"
        rows = events.map { isUpsert ? LoaderRow(upserting: $0) : LoaderRow(appending: $0) }
        columns = isUpsert ? LoaderRow.upsert : LoaderRow.append
    }

    /// What happens to a row that is there already.
    var conflict: String {
        guard isUpsert else { return "ON CONFLICT DO NOTHING" }
        let changes = columns.dropFirst().map { "\($0) = excluded.\($0)" }.joined(separator: ", ")
        return "ON CONFLICT (\(columns[0])) DO UPDATE SET \(changes)"
    }

    /// Throws where a sink that took all of it cannot have left so many rows.
    ///
    /// - Parameter before: Users whose rows were there before, all of these among them; 0 for an empty table.
    func check(_ count: Int, before: Int = 0) throws {
        guard count == (isUpsert ? max(before, Set(rows.map(\.key)).count) : rows.count) else {
            throw BenchmarkError("\(rows.count) events were delivered, and the table has \(count) rows")
        }
    }
}

/// Straight loops over the C libraries: what each sink could reach at most.
enum Loaders {
    static let batch = 1_000

    // MARK: - SQLite

    /// Rows a second into a sink's table; see ``sqlite(_:create:insert:path:batch:)``.
    ///
    /// - Parameter create: The sink's own SQL, so that rows lie as they do there.
    static func sqlite(_ table: LoaderTable, create: String, path: String) throws -> Double {
        let places = table.columns.map { _ in "?" }.joined(separator: ", ")
        let columns = table.columns.joined(separator: ", ")
        return try sqlite(
            table.rows.map(\.columns), create: create,
            insert: "INSERT INTO t (\(columns)) VALUES (\(places)) \(table.conflict)", path: path)
    }

    /// Rows a second: one prepared statement, `batch` rows a transaction, WAL and `synchronous=FULL`, and the
    /// cache and the checkpoints that a sink has.
    static func sqlite(
        _ rows: [[[CChar]?]], create: String, insert: String, path: String, batch: Int = batch
    ) throws -> Double {
        let database = try openSQLite(path)
        defer { sqlite3_close(database) }
        func run(_ sql: String) throws {
            guard sqlite3_exec(database, sql, nil, nil, nil) == SQLITE_OK else {
                throw BenchmarkError("\(sql) failed")
            }
        }
        for sql in [
            "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA cache_size = -8192",
            "PRAGMA wal_autocheckpoint = 4000", create,
        ] { try run(sql) }
        let statement = try prepare(insert, database)
        defer { sqlite3_finalize(statement) }
        let start = monotonic()
        for first in stride(from: 0, to: rows.count, by: batch) {
            try run("BEGIN IMMEDIATE")
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
            try run("COMMIT")
        }
        return Double(rows.count) / (Double(monotonic() - start) / 1e9)
    }

    /// Rows of a file's table `t`.
    static func sqliteCount(_ path: String) throws -> Int {
        let database = try openSQLite(path)
        defer { sqlite3_close(database) }
        let statement = try prepare("SELECT count(*) FROM t", database)
        defer { sqlite3_finalize(statement) }
        guard sqlite3_step(statement) == SQLITE_ROW else { throw BenchmarkError("cannot count in \(path)") }
        return Int(sqlite3_column_int64(statement, 0))
    }

    /// The values of a query's one column.
    static func sqliteTexts(_ path: String, _ sql: String) throws -> [String] {
        let database = try openSQLite(path)
        defer { sqlite3_close(database) }
        let statement = try prepare(sql, database)
        defer { sqlite3_finalize(statement) }
        var texts: [String] = []
        while case let code = sqlite3_step(statement), code != SQLITE_DONE {
            guard code == SQLITE_ROW else { throw BenchmarkError("\(sql) failed in \(path)") }
            if let text = sqlite3_column_text(statement, 0) { texts.append(String(cString: text)) }
        }
        return texts
    }

    private static func openSQLite(_ path: String) throws -> OpaquePointer? {
        var database: OpaquePointer?
        guard sqlite3_open(path, &database) == SQLITE_OK else { throw BenchmarkError("cannot open \(path)") }
        return database
    }

    private static func prepare(_ sql: String, _ database: OpaquePointer?) throws -> OpaquePointer? {
        var statement: OpaquePointer?
        guard sqlite3_prepare_v2(database, sql, -1, &statement, nil) == SQLITE_OK else {
            throw BenchmarkError("\(sql) failed")
        }
        return statement
    }

    // MARK: - HTTP

    /// Requests a second: libcurl's multi interface with 64 transfers at once, handles and connections kept.
    static func http(_ bodies: [(url: String, body: [UInt8])]) throws -> Double {
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
                var status = 0
                _ = relay_curl_get_long(easy, CURLINFO_RESPONSE_CODE, &status)
                guard code == CURLE_OK, status == 200 else {
                    throw BenchmarkError("libcurl: \(code), status \(status)")
                }
                done += 1
                curl_multi_remove_handle(multi, easy)
                start(easy)
            }
            if running > 0 { curl_multi_poll(multi, nil, 0, 1_000, nil) }
        }
        return Double(bodies.count) / (Double(monotonic() - begin) / 1e9)
    }
}
