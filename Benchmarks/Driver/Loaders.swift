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
        rows = events.map { Self.row($0, isUpsert: mode == "upsert") }
        columns = mode == "upsert" ? LoaderRow.upsert : LoaderRow.append
    }

    /// What the table has of an event.
    func row(_ event: Event) -> LoaderRow { Self.row(event, isUpsert: isUpsert) }

    private static func row(_ event: Event, isUpsert: Bool) -> LoaderRow {
        isUpsert ? LoaderRow(upserting: event) : LoaderRow(appending: event)
    }

    /// What happens to a row that is there already.
    var conflict: String {
        guard isUpsert else { return "ON CONFLICT DO NOTHING" }
        let changes = columns.dropFirst().map { "\($0) = excluded.\($0)" }.joined(separator: ", ")
        return "ON CONFLICT (\(columns[0])) DO UPDATE SET \(changes)"
    }

    /// SQLite's statement for one row.
    var insert: String {
        let places = columns.map { _ in "?" }.joined(separator: ", ")
        return "INSERT INTO t (\(columns.joined(separator: ", "))) VALUES (\(places)) \(conflict)"
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
        try sqlite(table.rows.map(\.columns), create: create, insert: table.insert, path: path)
    }

    /// Rows a second, `batch` of them a transaction; see ``SQLiteLoader``.
    static func sqlite(
        _ rows: [[[CChar]?]], create: String, insert: String, path: String, batch: Int = batch
    ) throws -> Double {
        let loader = try SQLiteLoader(path: path, create: create, insert: insert)
        let start = monotonic()
        for first in stride(from: 0, to: rows.count, by: batch) {
            try loader.transaction {
                for row in rows[first..<min(first + batch, rows.count)] { try loader.insert(texts: row) }
            }
        }
        // To close it is not part of it.
        return withExtendedLifetime(loader) { Double(rows.count) / (Double(monotonic() - start) / 1e9) }
    }

    /// Rows of a file's table.
    static func sqliteCount(_ path: String, table: String = "t") throws -> Int {
        let database = try SQLiteLoader.open(path)
        defer { sqlite3_close(database) }
        let statement = try SQLiteLoader.prepare("SELECT count(*) FROM \(table)", database)
        defer { sqlite3_finalize(statement) }
        guard sqlite3_step(statement) == SQLITE_ROW else { throw BenchmarkError("cannot count in \(path)") }
        return Int(sqlite3_column_int64(statement, 0))
    }

    /// The values of a query's one column.
    static func sqliteTexts(_ path: String, _ sql: String) throws -> [String] {
        let database = try SQLiteLoader.open(path)
        defer { sqlite3_close(database) }
        let statement = try SQLiteLoader.prepare(sql, database)
        defer { sqlite3_finalize(statement) }
        var texts: [String] = []
        while case let code = sqlite3_step(statement), code != SQLITE_DONE {
            guard code == SQLITE_ROW else { throw BenchmarkError("\(sql) failed in \(path)") }
            if let text = sqlite3_column_text(statement, 0) { texts.append(String(cString: text)) }
        }
        return texts
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
