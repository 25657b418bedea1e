import CPostgres
import Config
import Foundation

/// One connection to PostgreSQL, through libpq.
///
/// Belongs to one actor and its thread: every call blocks.
///
/// Statements go out in pipeline mode, several in one round trip
/// (https://www.postgresql.org/docs/15/libpq-pipeline-mode.html), so the socket is non-blocking: otherwise
/// client and server could both wait for the other to read.
final class PostgresConnection {
    private let handle: OpaquePointer
    /// Whether an answer is still owed, so that nobody can tell what the next one belongs to.
    private var isAbandoned = false

    /// Longer than the server's own `statement_timeout`, for servers that don't answer at all.
    private static let answerTimeoutSeconds = 60

    /// Takes over a connection that is open.
    init(_ handle: OpaquePointer) {
        self.handle = handle
        PQsetnonblocking(handle, 1)
        // Notices would go to standard error, and may hold values.
        PQsetNoticeProcessor(handle, { _, _ in }, nil)
    }

    deinit { PQfinish(handle) }

    var isUsable: Bool { !isAbandoned && PQstatus(handle) == CONNECTION_OK }
    var isInTransaction: Bool { PQtransactionStatus(handle) != PQTRANS_IDLE }

    /// Runs statements one after the other in one round trip; the first error ends it, and what came before
    /// it is rolled back unless it was committed.
    ///
    /// - Returns: The rows of each statement, as text.
    @discardableResult
    func run(_ statements: [PostgresStatement]) throws(PostgresError) -> [[[String?]]] {
        guard isUsable, PQenterPipelineMode(handle) == 1 else { throw lost() }
        for statement in statements { try send(statement) }
        guard PQpipelineSync(handle) == 1 else { throw lost() }
        var tables: [[[String?]]] = []
        var failure: PostgresError?
        for _ in statements {
            while let result = try next() {
                defer { PQclear(result) }
                switch PQresultStatus(result) {
                case PGRES_TUPLES_OK: tables.append(Self.rows(of: result))
                case PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: tables.append([])
                case PGRES_PIPELINE_ABORTED: break
                default: failure = failure ?? PostgresError(result)
                }
            }
            guard isUsable else { throw failure ?? lost() }
        }
        if let sync = try next() { PQclear(sync) }
        guard PQexitPipelineMode(handle) == 1 else { throw failure ?? lost() }
        if let failure { throw failure }
        return tables
    }

    // MARK: - Sending and waiting

    private func send(_ statement: PostgresStatement) throws(PostgresError) {
        let copies = statement.parameters.map { parameter in parameter.flatMap { strdup($0) } }
        defer { for copy in copies { free(copy) } }
        let values = copies.map { UnsafePointer<CChar>($0) }
        let isSent = PQsendQueryParams(
            handle, statement.sql, Int32(values.count), nil, values, nil, nil, 0)
        guard isSent == 1 else { throw lost() }
    }

    /// The next result; nil behind a statement's last one.
    private func next() throws(PostgresError) -> OpaquePointer? {
        while true {
            let unsent = PQflush(handle)
            guard unsent >= 0 else { throw lost() }
            if PQisBusy(handle) == 0 { return PQgetResult(handle) }
            try wait(alsoToSend: unsent == 1)
            guard PQconsumeInput(handle) == 1 else { throw lost() }
        }
    }

    private func wait(alsoToSend: Bool) throws(PostgresError) {
        var descriptor = pollfd(
            fd: PQsocket(handle), events: Int16(POLLIN) | (alsoToSend ? Int16(POLLOUT) : 0), revents: 0)
        let ready = poll(&descriptor, 1, Int32(Self.answerTimeoutSeconds * 1_000))
        if ready < 0, errno == EINTR { return }
        guard ready > 0 else {
            isAbandoned = true
            throw .connection("the server did not answer for \(Self.answerTimeoutSeconds) s")
        }
    }

    private static func rows(of result: OpaquePointer) -> [[String?]] {
        let columns = 0..<PQnfields(result)
        return (0..<PQntuples(result)).map { row in
            columns.map { column in
                guard PQgetisnull(result, row, column) == 0, let text = PQgetvalue(result, row, column)
                else { return nil }
                return String(cString: text)
            }
        }
    }

    /// libpq's words about a connection that is gone; they name no values.
    private func lost() -> PostgresError {
        let message = PQerrorMessage(handle).map { String(cString: $0) } ?? ""
        return .connection("the connection is lost: \(PostgresError.line(message))")
    }
}

/// A statement with its parameters, in text form; the values are never part of the SQL.
struct PostgresStatement {
    var sql: String
    var parameters: [String?]

    init(_ sql: String, _ parameters: [String?] = []) {
        self.sql = sql
        self.parameters = parameters
    }

    /// The same for no rows, planned and not run: the server looks at names, types and rights, and no trigger
    /// fires.
    ///
    /// Of a statement whose parameters are arrays.
    var planned: PostgresStatement { PostgresStatement("EXPLAIN \(sql)", parameters.map { _ in "{}" }) }
}

/// The text form of a PostgreSQL array (https://www.postgresql.org/docs/15/arrays.html#ARRAYS-IO).
enum PostgresArray {
    /// Every element is quoted, so that no text is taken for NULL, a brace or a comma.
    static func literal(_ elements: some Sequence<String?>) -> String {
        var bytes: [UInt8] = [UInt8(ascii: "{")]
        for element in elements {
            if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
            guard let element else {
                bytes.append(contentsOf: "NULL".utf8)
                continue
            }
            bytes.append(UInt8(ascii: "\""))
            var text = element
            text.withUTF8 { appendEscaped($0, to: &bytes) }
            bytes.append(UInt8(ascii: "\""))
        }
        bytes.append(UInt8(ascii: "}"))
        return String(decoding: bytes, as: UTF8.self)
    }

    /// What needs no escape goes over in one piece.
    private static func appendEscaped(_ text: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) {
        var start = 0
        for (index, byte) in text.enumerated() where byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
        {
            bytes.append(contentsOf: text[start..<index])
            bytes.append(UInt8(ascii: "\\"))
            start = index
        }
        bytes.append(contentsOf: text[start...])
    }
}
