import JSON
import Rules

/// `sinks.*`: the keys that all sinks share, and the three types.
enum SinkKeys {
    static let enabled = Field.defaulted(
        "enabled", .bool, true, standard: "true",
        "A sink that is off gets nothing, and its references may be unset.")
    static let retry = Field.defaulted(
        "retry", retryShape, RetryConfiguration(), standard: "the values below",
        "When a delivery that failed is tried again.")
    static let limits = Field.optional(
        "limits", limitsShape, standard: #"`{"delete": "100/h"}` for HTTP and for `"onDelete": "delete"`"#,
        "Deliveries of an operation in a period; what would be one more stops the sink until a person"
            + " resumes it. `null` or `{}`: no limits.")
    static let settle = Field.optional(
        "settle", .text(.duration), standard: "off",
        "How long a user's events are gathered, from the first, to be delivered in the order in which they"
            + " happened; for sinks with one row or contact per user.")
    static let coalesce = Field.defaulted(
        "coalesce", .bool, false, standard: "false",
        "Whether only the result of the events gathered by `settle` is delivered.")
    static let maxParked = Field.defaulted(
        "maxParked", .integer(1...1_000_000), 10_000, standard: "10000",
        "Deliveries that wait for another attempt, or behind one, while others pass; above it all wait.")
    static let from = Field.optional(
        "from", .text(.pointInTime), standard: "what comes from now on",
        "What a new sink begins with: the stored events since then, as a replay, once.")
    static let maxBehind = Field.optional(
        "maxBehind", .text(.duration), standard: "journal.retention",
        "How long events wait for the sink when it is down, paused or slow; then they are given up.")
    static let renamedFrom = Field.optional(
        "renamedFrom", .text(.name), standard: "none",
        "What the sink was called before; it takes over what waits for that name.")
    static let path = Field.required("path", .text(.path), "The SQLite file; it is created when missing.")
    static let url = Field.required(
        "url", .text(.secret), "A libpq connection URI or string; several hosts and sslmode work.")

    /// What a sink's object decodes to; the kind is nil where it cannot be put together.
    struct Draft: Sendable {
        var isEnabled = true
        var retry = RetryConfiguration()
        /// Nil where the file says nothing.
        var limits: [Operation: RateLimit]?
        var settle: SettleWindow?
        var maxParked = 10_000
        var from: PointInTime?
        var maxBehind: Duration?
        var renamedFrom: String?
        var kind: SinkConfiguration.Kind?

        func delivery(to kind: SinkConfiguration.Kind) -> DeliveryPolicy {
            DeliveryPolicy(
                retry: retry, limits: limits ?? kind.standardLimits, settle: settle, parkedMax: maxParked)
        }
    }

    static let types: [(name: String, summary: String, shape: Shape<Draft>)] = [
        ("sqlite", "a table in a SQLite file", sqlite),
        ("postgresql", "a table in a PostgreSQL database", postgresql),
        ("http", "an HTTP endpoint", http),
    ]

    private static func type(_ name: String) -> FieldDescription {
        let shape = Shape<String>(
            phrase: "`\(name)`", schema: ["const": .string(name)], standIn: name, decode: { _, _ in name })
        return FieldDescription("type", shape, isRequired: true, standard: nil, "The sink's type.")
    }

    private static let common = [
        enabled.description, retry.description, limits.description, settle.description,
        coalesce.description, maxParked.description, from.description, maxBehind.description,
        renamedFrom.description,
    ]

    private static let sqlite = Shape<Draft>.object(
        [type("sqlite")] + common + [path.description] + TableKeys.all,
        foreign: foreign(HTTPKeys.all + [url.description], "belongs to sinks of type http or postgresql")
    ) { reader in
        let path = reader[path]
        return draft(reader, .sqlite(SQLiteSinkConfiguration(path: path, table: TableKeys.read(reader))))
    }

    private static let postgresql = Shape<Draft>.object(
        [type("postgresql")] + common + [url.description] + TableKeys.all,
        foreign: foreign(
            HTTPKeys.all.filter { $0.name != "url" } + [path.description], "belongs to sinks of another type")
    ) { reader in
        let url = reader[url]
        return draft(
            reader, .postgresql(PostgreSQLSinkConfiguration(url: url, table: TableKeys.read(reader))))
    }

    private static let http = Shape<Draft>.object(
        [type("http")] + common + HTTPKeys.all,
        foreign: foreign(TableKeys.all + [path.description], "belongs to sinks of an SQL type")
    ) { reader in
        draft(reader, HTTPKeys.read(reader).map { .http($0) })
    }

    private static func draft(_ reader: ObjectReader, _ kind: SinkConfiguration.Kind?) -> Draft {
        let coalesces = reader[coalesce]
        return Draft(
            isEnabled: reader[enabled],
            retry: reader[retry],
            limits: reader[limits].map {
                Dictionary($0.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
            },
            settle: reader[settle].map { SettleWindow(duration: $0, coalesces: coalesces) },
            maxParked: reader[maxParked],
            from: reader[from],
            maxBehind: reader[maxBehind],
            renamedFrom: reader[renamedFrom],
            kind: kind
        )
    }

    private static let limitsMap = Shape<[(name: Operation, value: RateLimit)]>.map(
        .operation, to: .text(.limit), "limits")

    private static let limitsShape = Shape<[(name: Operation, value: RateLimit)]>(
        phrase: "an object of limits, or `null`",
        schema: ["if": ["not": ["type": "null"]], "then": limitsMap.schema],
        standIn: []
    ) { node, context in
        node.value.isNull ? [] : limitsMap.decode(node, context)
    }

    private static func foreign(_ fields: [FieldDescription], _ place: String) -> [String: String] {
        Dictionary(fields.map { ($0.name, "it \(place)") }, uniquingKeysWith: { first, _ in first })
    }

    // MARK: - Choosing the type

    /// The type is plain text: it decides which keys there are.
    static let shape = Shape<Draft>(
        phrase: "a sink", schema: schema, members: types.flatMap(\.shape.members), standIn: Draft()
    ) { node, context in
        guard node.value.kind == .object else {
            context.wrongType(node, expected: "a sink, an object with \"type\"")
            return Draft()
        }
        let names = types.map(\.name)
        guard let type = node.member("type") else {
            context.error("\"type\" is missing: one of \(names.joined(separator: ", "))", at: node)
            return Draft()
        }
        guard let name = type.value.string else {
            context.wrongType(type, expected: "one of \(names.joined(separator: ", "))")
            context.markBad(node.pointer)
            return Draft()
        }
        guard let chosen = types.first(where: { $0.name == name }) else {
            let question = NearestName.question(name, among: names)
            context.error(
                "\"\(quotable(name))\" is not a sink type: \(names.joined(separator: ", "))\(question)",
                at: type)
            context.markBad(node.pointer)
            return Draft()
        }
        var node = node
        if node.value["enabled"]?.bool == false { node.isDisabled = true }
        return chosen.shape.decode(node, context)
    }

    private static let schema = SchemaNode.object([
        ("type", "object"),
        ("required", ["type"]),
        ("properties", ["type": ["enum": .array(types.map { .string($0.name) })]]),
        (
            "allOf",
            .array(
                types.map { type in
                    [
                        "if": ["required": ["type"], "properties": ["type": ["const": .string(type.name)]]],
                        "then": type.shape.schema,
                    ]
                })
        ),
    ])

    // MARK: - retry

    private static let initial = Field.defaulted(
        "initial", .text(.duration), .seconds(1), standard: "1s",
        "The first delay; it doubles with each attempt, with full jitter.")
    private static let max = Field.defaulted(
        "max", .text(.duration), .seconds(300), standard: "5m", "No delay is longer.")
    private static let giveUp = Field.defaulted(
        "for", .text(.duration), .seconds(3 * 86_400), standard: "3d",
        "After this long an event becomes a dead letter; the clock stands still while the sink is down.")

    private static let retryShape = Shape<RetryConfiguration>.object([
        initial.description, max.description, giveUp.description,
    ]) { reader in
        let retry = RetryConfiguration(
            initial: reader[initial], max: reader[max], giveUpAfter: reader[giveUp])
        if retry.max < retry.initial {
            let key = reader.node("max") == nil ? "initial" : "max"
            reader.error("\"max\" is shorter than \"initial\"; raise it or lower the other", at: key)
        }
        if retry.giveUpAfter < retry.initial {
            let key = reader.node("for") == nil ? "initial" : "for"
            reader.error("\"for\" is shorter than \"initial\", so nothing would be tried again", at: key)
        }
        return retry
    }
}

extension SinkConfiguration.Kind {
    /// One bad import must not empty a CRM, nor a table whose rows go for good.
    fileprivate var standardLimits: [Operation: RateLimit] {
        let removesForGood =
            switch self {
            case .http: true
            case .sqlite(let sqlite): sqlite.table.removesRows
            case .postgresql(let postgresql): postgresql.table.removesRows
            }
        return removesForGood ? [.delete: RateLimit(count: 100, period: .seconds(3_600))] : [:]
    }
}

extension TableConfiguration {
    fileprivate var removesRows: Bool { mode == .upsert && onDelete == .delete }
}

extension TextFormat<Operation> {
    static let operation = TextFormat(
        phrase: "an operation",
        advice: "the operations are create, update, reactivate, deactivate, delete",
        pattern: "^(create|update|reactivate|deactivate|delete)$",
        standIn: .delete
    ) { text in
        Operation(rawValue: text).flatMap { $0 == .none ? nil : $0 }
    }
}
