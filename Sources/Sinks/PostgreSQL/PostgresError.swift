import CPostgres
import Relay

/// What went wrong in PostgreSQL, without any value of a row.
enum PostgresError: Error, Equatable {
    /// The connection cannot be made or is gone; libpq's words.
    case connection(String)
    /// The server refused a statement.
    case server(Report)

    /// The parts of an error that are safe to show.
    struct Report: Equatable {
        /// Five characters (https://www.postgresql.org/docs/15/errcodes-appendix.html).
        var state: String
        /// The primary message; empty where it may hold a value.
        var message = ""
        var column: String?
        var constraint: String?

        var description: String {
            var text = "SQLSTATE \(state)"
            if let condition = SQLState.conditions[state] { text += " (\(condition))" }
            if let column { text += ", column \(column)" }
            if let constraint { text += ", constraint \(constraint)" }
            return message.isEmpty ? text : "\(text): \(message)"
        }
    }

    /// Reads a result that is an error.
    ///
    /// Its detail and context, which quote rows, are left alone; and what is said within a function, a
    /// trigger's say, may be anything.
    init(_ result: OpaquePointer) {
        func field(_ code: Int32) -> String? {
            PQresultErrorField(result, code).map { String(cString: $0) }
        }
        guard let state = field(PostgresDiagnostic.sqlState) else {
            self = .connection("the connection is lost")
            return
        }
        let hasContext = field(PostgresDiagnostic.context) != nil
        let quotesValues = hasContext || SQLState.messageQuotesValues(state)
        self = .server(
            Report(
                state: state,
                message: quotesValues ? "" : Self.line(field(PostgresDiagnostic.message) ?? ""),
                column: field(PostgresDiagnostic.column),
                constraint: field(PostgresDiagnostic.constraint)))
    }

    /// The first line, for messages that libpq ends with a line break.
    static func line(_ text: String) -> String {
        String(text.split(separator: "\n", maxSplits: 1).first ?? "")
    }

    var description: String {
        switch self {
        case .connection(let reason): reason
        case .server(let report): report.description
        }
    }
}

extension TableFailure {
    init(postgres error: PostgresError) {
        let reason = "PostgreSQL: \(error.description)"
        guard case .server(let report) = error else {
            self = .sink(.unavailable(reason: reason))
            return
        }
        self =
            switch SQLState.disposition(of: report.state) {
            case .data: .data(reason)
            case .conflict: .conflict(reason)
            case .unavailable: .sink(.unavailable(reason: reason))
            case .misconfigured: .sink(.misconfigured(reason: reason))
            }
    }
}

/// The field codes of `PQresultErrorField`: character constants in C, which Swift doesn't import.
enum PostgresDiagnostic {
    static let sqlState = Int32(UInt8(ascii: "C"))
    static let message = Int32(UInt8(ascii: "M"))
    static let context = Int32(UInt8(ascii: "W"))
    static let column = Int32(UInt8(ascii: "c"))
    static let constraint = Int32(UInt8(ascii: "n"))
}

/// What each SQLSTATE means for a sink, as data.
enum SQLState {
    enum Disposition: Equatable {
        /// The row's own fault.
        case data
        /// Another transaction's; worth another try at once.
        case conflict
        case unavailable
        case misconfigured
    }

    /// The state itself decides before its class; what is in neither table is `unavailable`.
    static func disposition(of state: String) -> Disposition {
        states[state] ?? classes[String(state.prefix(2))] ?? .unavailable
    }

    private static let states: [String: Disposition] = [
        "21000": .data,
        "25006": .unavailable,  // read-only: failed over to a standby
        "40001": .conflict,
        "40P01": .conflict,
        "44000": .data,
        "57P04": .misconfigured,  // the database was dropped
        "08P01": .misconfigured,
        "XX001": .misconfigured,
        "XX002": .misconfigured,
    ]

    private static let classes: [String: Disposition] = [
        "08": .unavailable,
        "0A": .misconfigured,
        "22": .data,
        "23": .data,
        "25": .unavailable,
        "26": .unavailable,
        "28": .misconfigured,
        "3D": .misconfigured,
        "3F": .misconfigured,
        "42": .misconfigured,
        "53": .unavailable,
        "54": .data,
        "55": .unavailable,
        "57": .unavailable,
        "58": .unavailable,
        "F0": .misconfigured,
        "P0": .data,  // raised by a trigger
        "XX": .unavailable,
    ]

    /// Whether a statement that is right may fail so for a row's value.
    ///
    /// What reads a `jsonpath`, an `ltree` or a `regclass` speaks of a bad value as the parser does of a bad
    /// statement, and `hstore` as of an error of the server's own. What a trigger, a default or a policy does
    /// with a row can fail in any of these ways as well.
    static func mayBeAValues(_ state: String) -> Bool {
        ["0A", "3F", "42"].contains(String(state.prefix(2))) || state == "XX000"
    }

    /// Whether the primary message may quote a row's value: `invalid input syntax for type integer: "…"`, or
    /// whatever a trigger says.
    static func messageQuotesValues(_ state: String) -> Bool {
        ["22", "P0", "21", "54", "44"].contains(String(state.prefix(2)))
    }

    /// The names of conditions, for reasons that may not quote the server.
    static let conditions: [String: String] = [
        "21000": "cardinality violation",
        "22001": "value too long",
        "22003": "number out of range",
        "22007": "invalid date or time",
        "22008": "date or time out of range",
        "22021": "character not in the encoding",
        "22P02": "invalid text for the type",
        "22P05": "untranslatable character",
        "23502": "NOT NULL",
        "23503": "foreign key",
        "23505": "unique",
        "23514": "CHECK",
        "3F000": "no such schema",
        "40P01": "deadlock",
        "42501": "no right",
        "42601": "syntax error",
        "42602": "invalid name",
        "42704": "no such object",
        "42883": "no such function",
        "42P01": "no such table",
        "55P03": "lock timeout",
        "57014": "cancelled, or statement timeout",
        "P0001": "raised by a trigger",
    ]
}
