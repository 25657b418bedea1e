import GRDB
import JSON
import Rules

/// Conditions that all have to hold, with the values that are bound to them.
struct SQLCondition {
    private var terms: [String] = []
    private(set) var arguments = StatementArguments()

    /// `TRUE` where there is none.
    var text: String { terms.isEmpty ? "TRUE" : terms.joined(separator: " AND ") }

    /// Adds a term with one `?` for the value; a value that is not there adds none.
    mutating func add(_ term: String, _ value: (some DatabaseValueConvertible)?) {
        guard let value else { return }
        terms.append(term)
        arguments += [value]
    }

    /// Adds that an instant, or some of a span of them, lies in a range; an end that is not there adds none.
    ///
    /// - Parameters:
    ///   - first: The instant's column, or that of the span's first.
    ///   - last: The column of the span's last instant.
    mutating func add(instants first: String, to last: String? = nil, since: Int64?, until: Int64?) {
        add("\(last ?? first) >= ?", since)
        add("\(first) < ?", until)
    }
}

extension JSONWriter {
    /// A filter's ids, as the list of operations tells them; nothing where it has none.
    fileprivate mutating func ids(_ ids: [Int64]?) {
        guard let ids else { return }
        name("ids")
        array { list in for id in ids { list.integer(id) } }
    }

    /// A filter's range, as the list of operations tells it.
    fileprivate mutating func range(since: Int64?, until: Int64?) {
        if let since { member("since", Timestamp(nanoseconds: since).description) }
        if let until { member("until", Timestamp(nanoseconds: until).description) }
    }
}

extension DeadLetterFilter {
    var condition: SQLCondition {
        var condition = SQLCondition()
        condition.add("dead_letters.id IN (SELECT value FROM json_each(?))", ids.map { "\($0)" })
        condition.add("sinks.name = ?", sink)
        condition.add("rule = ?", rule)
        condition.add("event_type GLOB ?", eventType?.glob)
        condition.add("user_id = ?", user)
        condition.add("instr(lower(last_error), lower(?)) > 0", error)
        condition.add(instants: "died_at", since: since, until: until)
        return condition
    }

    /// For the list of operations: nothing that may tell of a user.
    func write(to detail: inout JSONWriter) {
        detail.ids(ids)
        if let sink { detail.member("sink", sink) }
        if let rule { detail.member("rule", rule) }
        if let eventType { detail.member("type", eventType.description) }
        if user != nil { detail.member("user", "***") }
        if error != nil { detail.member("error", "***") }
        detail.range(since: since, until: until)
    }
}

extension HistoryFilter {
    /// Over a list of `user_id`, the org and the sink's name by these names, and the instant.
    func condition(org orgColumn: String = "org", sink sinkColumn: String, at: String) -> SQLCondition {
        var condition = SQLCondition()
        condition.add("user_id = ?", user)
        condition.add("\(orgColumn) = ?", org)
        condition.add("\(sinkColumn) = ?", sink)
        condition.add(instants: at, since: since, until: until)
        return condition
    }
}

extension OperationFilter {
    var condition: SQLCondition {
        var condition = SQLCondition()
        let sinks = "SELECT value FROM json_each(iif(json_valid(detail), detail, '{}'), '$.sinks')"
        condition.add("? IN (SELECT sink UNION ALL \(sinks))", sink)
        condition.add(instants: "at", since: since, until: until)
        return condition
    }
}

extension DetachedFilter {
    var condition: SQLCondition {
        var condition = SQLCondition()
        condition.add("sink = ?", sink)
        condition.add("instr(lower(reason), lower(?)) > 0", reason)
        condition.add(instants: "first_received_at", to: "last_received_at", since: since, until: until)
        return condition
    }
}

extension ReplayListFilter {
    var condition: SQLCondition {
        var condition = SQLCondition()
        condition.add("sink = ?", sink)
        let goesOn = "sink IN (SELECT value FROM json_each(?))"
        switch state {
        case nil: break
        case .underWay: condition.add("ended_at IS NULL AND \(goesOn)", goingJSON)
        case .waits: condition.add("ended_at IS NULL AND NOT \(goesOn)", goingJSON)
        case .done: condition.add("ended_at IS NOT NULL AND (after_offset < last_offset) = ?", false)
        case .cancelled: condition.add("ended_at IS NOT NULL AND (after_offset < last_offset) = ?", true)
        }
        return condition
    }

    private var goingJSON: String {
        var writer = JSONWriter()
        writer.array { list in for sink in prospects.going { list.string(sink) } }
        return writer.text
    }
}

extension QuarantineFilter {
    /// All but what only the bytes tell.
    var condition: SQLCondition {
        var condition = SQLCondition()
        condition.add("id IN (SELECT value FROM json_each(?))", ids.map { "\($0)" })
        condition.add("hook = ?", hook)
        condition.add("instr(lower(reason), lower(?)) > 0", reason)
        condition.add(instants: "received_at", since: since, until: until)
        return condition
    }

    /// For the list of operations.
    func write(to detail: inout JSONWriter) {
        detail.ids(ids)
        if let hook { detail.member("hook", hook) }
        if let reason { detail.member("reason", reason) }
        if let eventType { detail.member("type", eventType.description) }
        if user != nil { detail.member("user", "***") }
        detail.range(since: since, until: until)
    }
}

extension ReplayFilter {
    /// As a replay's row keeps it, with whether all of its time is kept.
    func json(isWhole: Bool) -> String {
        var writer = JSONWriter()
        writer.object { filter in
            if let rule { filter.member("rule", rule) }
            if let eventType { filter.member("type", eventType.description) }
            if let user { filter.member("user", user) }
            if let unroutedBehind { filter.member("unroutedBehind", unroutedBehind.rawValue) }
            if !isWhole { filter.member("isWhole", isWhole) }
        }
        return writer.text
    }

    init(json: String) throws {
        let root = try JSONDocument(json).root
        self.init(
            rule: root["rule"]?.string, eventType: root["type"]?.string.map { EventTypePattern($0) },
            user: root["user"]?.string)
        unroutedBehind = root["unroutedBehind"]?.int.map { Offset(rawValue: Int64($0)) }
    }
}

extension EventTypePattern {
    /// The same in SQLite's words, to which `?` and `[` mean something, too.
    var glob: String {
        description.replacing("[", with: "[[]").replacing("?", with: "[?]")
    }
}
