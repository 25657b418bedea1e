public import Rules

/// One sink of the config file.
///
/// Two of them are equal when a reload from one to the other leaves the sink as it is.
public struct SinkConfiguration: Sendable, Equatable {
    public var name: String
    public var isEnabled: Bool
    public var delivery: DeliveryPolicy
    /// What it begins with where the journal does not know it yet; nil for what comes from then on.
    public var from: PointInTime?
    /// How long its events are held when it is paused, failing or slow; nil means the journal's retention.
    public var maxBehind: Duration?
    /// What it was called before: it takes over what waits for that name.
    public var renamedFrom: String?
    public var kind: Kind

    public enum Kind: Sendable, Equatable {
        case sqlite(SQLiteSinkConfiguration)
        case postgresql(PostgreSQLSinkConfiguration)
        case http(HTTPSinkConfiguration)

        /// The word that the config file uses.
        public var name: String {
            switch self {
            case .sqlite: "sqlite"
            case .postgresql: "postgresql"
            case .http: "http"
            }
        }

        /// The table of an SQL sink.
        var table: TableConfiguration? {
            switch self {
            case .sqlite(let sqlite): sqlite.table
            case .postgresql(let postgresql): postgresql.table
            case .http: nil
            }
        }
    }

    public init(
        name: String, isEnabled: Bool = true, delivery: DeliveryPolicy = DeliveryPolicy(),
        from: PointInTime? = nil, maxBehind: Duration? = nil, renamedFrom: String? = nil, kind: Kind
    ) {
        self.name = name
        self.isEnabled = isEnabled
        self.delivery = delivery
        self.from = from
        self.maxBehind = maxBehind
        self.renamedFrom = renamedFrom
        self.kind = kind
    }

    /// The table of an SQL sink.
    public var table: TableConfiguration? { kind.table }
}

/// When a delivery that failed is tried again.
public struct RetryConfiguration: Sendable, Equatable {
    /// The first delay; it doubles with each attempt, with full jitter.
    public var initial: Duration
    /// No delay is longer.
    public var max: Duration
    /// After this long a delivery becomes a dead letter; the clock stands still while the sink is down.
    public var giveUpAfter: Duration

    public init(
        initial: Duration = .seconds(1),
        max: Duration = .seconds(300),
        giveUpAfter: Duration = .seconds(3 * 86_400)
    ) {
        self.initial = initial
        self.max = max
        self.giveUpAfter = giveUpAfter
    }
}

/// A table in a SQLite file.
public struct SQLiteSinkConfiguration: Sendable, Equatable {
    public var path: String
    public var table: TableConfiguration

    public init(path: String, table: TableConfiguration) {
        self.path = path
        self.table = table
    }
}

/// A table in a PostgreSQL database.
public struct PostgreSQLSinkConfiguration: Sendable, Equatable {
    /// A libpq connection string or URI; several hosts and `sslmode` are libpq's own business.
    public var url: Secret
    public var table: TableConfiguration

    public init(url: Secret, table: TableConfiguration) {
        self.url = url
        self.table = table
    }
}

/// A table as both SQL sinks see it.
public struct TableConfiguration: Sendable, Equatable {
    /// Nil where the name has no schema.
    public var schema: String?
    public var name: String
    public var mode: Mode
    /// Nil means the mode's default columns.
    public var columns: [ColumnConfiguration]?
    /// The columns that identify a row; nil means the mode's default key.
    public var key: [String]?
    /// Event types (exact) to operations, where the table holds other things than users.
    public var operations: [String: Operation]?
    /// Whether missing tables and columns are created.
    public var createsMissing: Bool
    public var onDelete: OnDelete

    /// `upsert`: one row per key; `append`: one row per event.
    public enum Mode: String, Sendable, CaseIterable { case upsert, append }

    /// What a deletion does to the row.
    public enum OnDelete: String, Sendable, CaseIterable { case mark, delete }

    public init(
        schema: String? = nil,
        name: String,
        mode: Mode = .upsert,
        columns: [ColumnConfiguration]? = nil,
        key: [String]? = nil,
        operations: [String: Operation]? = nil,
        createsMissing: Bool = true,
        onDelete: OnDelete = .mark
    ) {
        self.schema = schema
        self.name = name
        self.mode = mode
        self.columns = columns
        self.key = key
        self.operations = operations
        self.createsMissing = createsMissing
        self.onDelete = onDelete
    }
}

/// A mapped column.
public struct ColumnConfiguration: Sendable, Equatable {
    public var name: String
    public var value: Template
    /// The SQL type to create it with; nil means text.
    public var type: String?
    /// Whether it is written only when the row is new.
    public var isInsertOnly: Bool

    public init(name: String, value: Template, type: String? = nil, isInsertOnly: Bool = false) {
        self.name = name
        self.value = value
        self.type = type
        self.isInsertOnly = isInsertOnly
    }
}

/// An HTTP endpoint and what is sent to it.
public struct HTTPSinkConfiguration: Sendable, Equatable {
    /// What is sent where `on` says nothing else.
    public var request: HTTPRequestTemplate
    /// Requests by operation or event type, the most specific first; nil makes the sink stateless.
    public var on: [HTTPRequestCase]?
    public var authentication: HTTPAuthentication?
    /// Users that are delivered to at the same time.
    public var concurrency: Int
    public var rate: RateLimit?
    /// Where the endpoint says how much of its own limit is left; nil where it is not asked.
    public var rateHeaders: HTTPRateHeaders?
    /// For one request, from connect to the last byte.
    public var timeout: Duration
    /// Whether private and link-local addresses may be called.
    public var allowsPrivate: Bool
    /// Whether plain `http:` URLs may be called; loopback needs ``allowsPrivate`` as well.
    public var allowsHTTP: Bool
    /// What becomes of a `POST` of which nobody knows whether it arrived.
    public var unknown: UnknownOutcome

    public init(
        request: HTTPRequestTemplate,
        on: [HTTPRequestCase]? = nil,
        authentication: HTTPAuthentication? = nil,
        concurrency: Int = 8,
        rate: RateLimit? = nil,
        rateHeaders: HTTPRateHeaders? = nil,
        timeout: Duration = .seconds(15),
        allowsPrivate: Bool = false,
        allowsHTTP: Bool = false,
        unknown: UnknownOutcome? = nil
    ) {
        self.request = request
        self.on = on
        self.authentication = authentication
        self.concurrency = concurrency
        self.rate = rate
        self.rateHeaders = rateHeaders
        self.timeout = timeout
        self.allowsPrivate = allowsPrivate
        self.allowsHTTP = allowsHTTP
        self.unknown = unknown ?? (on == nil ? .retry : .deadLetter)
    }
}

/// What to do about a `POST` of which nobody knows whether it arrived: its connection died before the answer,
/// or the relay itself did.
public enum UnknownOutcome: Sendable, Equatable {
    /// It is sent again, with the same `Idempotency-Key`: at least once.
    case retry
    /// It is not sent again, and a person looks: at most once.
    case deadLetter
    /// This `GET` tells: what it answers with 2xx is there, what it answers with 404 is sent again.
    case lookUp(HTTPRequestTemplate)
}

/// One request, before an event fills it in.
public struct HTTPRequestTemplate: Sendable {
    public var method: String
    public var url: Template
    public var headers: [(name: String, value: Template)]
    /// Nil sends no body.
    public var body: Template?

    public init(
        method: String, url: Template, headers: [(name: String, value: Template)] = [], body: Template? = nil
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
    }
}

extension HTTPRequestTemplate: Equatable {
    /// Written out, because tuples are not `Equatable`.
    public static func == (a: HTTPRequestTemplate, b: HTTPRequestTemplate) -> Bool {
        a.method == b.method && a.url == b.url && a.body == b.body
            && a.headers.elementsEqual(b.headers) { $0.name == $1.name && $0.value == $1.value }
    }
}

/// A request for some events only: `on`'s members, inherited parts filled in.
public struct HTTPRequestCase: Sendable, Equatable {
    public var selector: Selector
    /// Nil: such events are skipped.
    public var request: HTTPRequestTemplate?

    public enum Selector: Sendable, Hashable {
        case eventType(String)
        case operation(Operation)
    }

    public init(selector: Selector, request: HTTPRequestTemplate?) {
        self.selector = selector
        self.request = request
    }
}

/// How the relay proves itself to an endpoint.
public enum HTTPAuthentication: Sendable, Equatable {
    case bearer(Secret)
    case basic(user: String, password: Secret)
    case header(name: String, value: Secret)
}

/// The headers in which an endpoint says how many requests it still takes, and until when.
public struct HTTPRateHeaders: Sendable, Equatable {
    /// Holds a number.
    public var remaining: String
    /// Holds seconds from then, seconds or milliseconds since 1970, or an HTTP date.
    public var reset: String

    public init(remaining: String, reset: String) {
        self.remaining = remaining
        self.reset = reset
    }
}

/// At most `count` requests in each `period`.
public struct RateLimit: Sendable, Equatable {
    public var count: Int
    public var period: Duration

    public init(count: Int, period: Duration) {
        self.count = count
        self.period = period
    }
}
