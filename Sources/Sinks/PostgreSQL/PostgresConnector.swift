import CPostgres
import Config
import Foundation
import Relay

/// Makes connections from a connection string; `sslmode`, several hosts and `target_session_attrs` are
/// libpq's.
struct PostgresConnector: Sendable {
    let url: Secret

    /// Per host, where the connection string has no `connect_timeout`.
    private static let timeoutSeconds = "10"

    /// Settings for the session, where neither the string nor the server has one: a statement that hangs must
    /// not hang the sink, and what is called delivered must be on disk.
    private static let settings = [
        ("statement_timeout", "30s", "0"), ("lock_timeout", "10s", "0"),
        ("idle_in_transaction_session_timeout", "60s", "0"), ("synchronous_commit", "on", "off"),
    ]

    /// Connects; blocks for at most `connect_timeout` per host.
    func connect() throws(TableFailure) -> PostgresConnection {
        guard isConnectionString else {
            throw .sink(
                .misconfigured(
                    reason: "PostgreSQL: the url is not a connection string that libpq understands"))
        }
        // libpq keeps to `connect_timeout` in its blocking call only; on a thread of our own that is fine.
        guard let handle = open(PQconnectdbParams) else {
            throw .sink(.unavailable(reason: "PostgreSQL: out of memory"))
        }
        guard PQstatus(handle) == CONNECTION_OK else {
            let reason = message(of: handle)
            PQfinish(handle)
            throw refusal(reason)
        }
        let connection = PostgresConnection(handle)
        let statements = Self.settings.map { name, value, unset in
            PostgresStatement(
                "SELECT set_config($1, $2, false) WHERE current_setting($1) = $3", [name, value, unset])
        }
        do throws(PostgresError) {
            try connection.run(statements)
        } catch {
            throw TableFailure(postgres: error)
        }
        return connection
    }

    private var isConnectionString: Bool {
        var message: UnsafeMutablePointer<CChar>?
        let options = PQconninfoParse(url.revealed, &message)
        // The message quotes the string, so nobody gets to see it.
        PQfreemem(message)
        defer { PQconninfoFree(options) }
        return options != nil
    }

    private func open(
        _ connect: (UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<UnsafePointer<CChar>?>?, Int32) ->
            OpaquePointer?
    ) -> OpaquePointer? {
        // What stands before `dbname`, which is the connection string, is overridden by it; what stands
        // behind it overrides.
        let parameters = [
            ("connect_timeout", Self.timeoutSeconds), ("fallback_application_name", "okta-relay"),
            ("dbname", url.revealed), ("client_encoding", "UTF8"),
        ]
        let names = parameters.map { strdup($0.0) }
        let values = parameters.map { strdup($0.1) }
        defer { for text in names + values { free(text) } }
        return connect(
            names.map { UnsafePointer($0) } + [nil], values.map { UnsafePointer($0) } + [nil], 1)
    }

    /// What a refused connection means.
    ///
    /// libpq gives no SQLSTATE for it, only the server's words in the server's language; so a second,
    /// non-blocking attempt asks for the SQLSTATE instead of the words.
    private func refusal(_ reason: String) -> TableFailure {
        let reason = "PostgreSQL: \(reason)"
        guard let state = refusalState() else { return .sink(.unavailable(reason: reason)) }
        return switch SQLState.disposition(of: state) {
        case .misconfigured: .sink(.misconfigured(reason: "\(reason) (SQLSTATE \(state))"))
        case .data, .conflict, .unavailable: .sink(.unavailable(reason: "\(reason) (SQLSTATE \(state))"))
        }
    }

    private func refusalState() -> String? {
        guard let handle = open(PQconnectStartParams) else { return nil }
        defer { PQfinish(handle) }
        PQsetErrorVerbosity(handle, PQERRORS_SQLSTATE)
        var status = PGRES_POLLING_WRITING
        for _ in 0..<32 {
            guard status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING else { break }
            let events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT
            var descriptor = pollfd(fd: PQsocket(handle), events: Int16(events), revents: 0)
            guard poll(&descriptor, 1, 2_000) > 0 else { return nil }
            status = PQconnectPoll(handle)
        }
        guard status == PGRES_POLLING_FAILED, let message = PQerrorMessage(handle) else { return nil }
        // "… failed: FATAL:  28P01"
        let word = String(cString: message).split(whereSeparator: \.isWhitespace).last ?? ""
        let isState =
            word.utf8.count == 5 && word.allSatisfy { $0.isASCII && ($0.isNumber || $0.isUppercase) }
        return isState ? String(word) : nil
    }

    /// libpq's words, without pieces of the password that a badly written URL may have put into them.
    private func message(of handle: OpaquePointer) -> String {
        var text = PQerrorMessage(handle).map { PostgresError.line(String(cString: $0)) } ?? ""
        for piece in secretPieces { text = text.replacingOccurrences(of: piece, with: "***") }
        return text
    }

    private var secretPieces: [String] {
        let text = url.revealed
        guard let start = text.range(of: "://")?.upperBound,
            let end = text.range(of: "@", options: .backwards)?.lowerBound, start < end,
            let password = text[start..<end].firstIndex(of: ":")
        else { return [] }
        let pieces = text[password..<end].split { ":@/".contains($0) }.map(String.init)
        return pieces.filter { $0.count > 2 }.sorted { $0.count > $1.count }
    }
}
