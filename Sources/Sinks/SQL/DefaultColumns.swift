/// A column's SQL type in both dialects.
struct ColumnType: Sendable, Equatable {
    var sqlite: String
    var postgresql: String

    static let text = ColumnType(sqlite: "TEXT", postgresql: "text")
    /// SQLite keeps Okta's own text, to the nanosecond; PostgreSQL keeps microseconds.
    static let timestamp = ColumnType(sqlite: "TEXT", postgresql: "timestamptz")
    /// For documents that are searched.
    static let searchableJSON = ColumnType(sqlite: "JSON", postgresql: "jsonb")
    /// For documents whose bytes are kept: number spelling, member order and `\u0000` survive in `json`.
    static let verbatimJSON = ColumnType(sqlite: "JSON", postgresql: "json")
}

/// What a default column holds.
enum DefaultValue: Sendable {
    case org, hook, userID, userLogin, displayName, status, deletedAt
    case eventID, eventType, published, receivedAt, operation, outcome, body
    /// Only an enriched user has it; an event alone never carries it.
    case enriched
}

/// The columns of a table that the config file gives none for (design: one table as data per mode).
enum DefaultColumns {
    typealias Row = (name: String, value: DefaultValue, type: ColumnType)

    static let upsertKey = "id"
    static let upsert: [Row] = [
        ("id", .userID, .text),
        ("login", .userLogin, .text),
        ("email", .enriched, .text),
        ("first_name", .enriched, .text),
        ("last_name", .enriched, .text),
        ("display_name", .displayName, .text),
        ("status", .status, .text),
        ("profile", .enriched, .searchableJSON),
        ("deleted_at", .deletedAt, .timestamp),
        ("last_event_id", .eventID, .text),
        ("last_event_type", .eventType, .text),
        ("updated_at", .published, .timestamp),
    ]

    static let appendKey = "event_id"
    static let append: [Row] = [
        ("event_id", .eventID, .text),
        ("event_type", .eventType, .text),
        ("published", .published, .timestamp),
        ("received_at", .receivedAt, .timestamp),
        ("hook", .hook, .text),
        ("user_id", .userID, .text),
        ("user_login", .userLogin, .text),
        ("operation", .operation, .text),
        ("outcome", .outcome, .text),
        ("body", .body, .verbatimJSON),
    ]

    /// Comes first where the key names it: for a table that several orgs reach.
    static let org: Row = ("org", .org, .text)
}
