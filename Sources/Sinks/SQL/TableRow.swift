import Config
import JSON
import Relay
import Rules

/// What one event says to a table: computed once, the same for both dialects.
struct TableRow: Sendable {
    /// Nil for a user's deletion in a table that holds other things than users.
    let key: [RenderedValue]?
    /// The user that the row belongs to, as the companion table stores it.
    let subject: String?
    /// Nil in append tables.
    let stamp: Stamp?
    let operation: Operation
    /// By column index: what the event carries, keys and new-row columns included.
    ///
    /// A missing value isn't there; an explicit null is.
    let values: RowValues
    /// ``key`` as ``RowKey/text(_:)``.
    let keyText: String?

    init(
        key: [RenderedValue]?, subject: String?, stamp: Stamp?, operation: Operation,
        values: RowValues
    ) {
        self.key = key
        self.subject = subject
        self.stamp = stamp
        self.operation = operation
        self.values = values
        keyText = key.map(RowKey.text)
    }
}

/// Why an event gives no row.
enum TableRowDefect: Error, Equatable {
    /// Left out on purpose.
    case skipped(String)
    /// It can never be written.
    case rejected(String)

    var outcome: Receipt.Outcome {
        switch self {
        case .skipped(let reason): .skipped(reason)
        case .rejected(let reason): .rejected(reason: reason)
        }
    }
}

extension TablePlan {
    static let noEffect = "no effect on a user"

    /// The row of a delivery to this table.
    func row(for delivery: Delivery, sink: String) throws(TableRowDefect) -> TableRow {
        let event = delivery.event
        if mode == .append {
            let operation = operations?[event.type] ?? event.meaning.operation
            let values = try values(of: delivery, sink, operation, user: EventDocument.User(event))
            return TableRow(
                key: try key(in: values), subject: nil, stamp: nil, operation: operation, values: values)
        }
        let meaning = try meaning(of: event)
        guard let published = event.published else { throw .rejected("no usable published") }
        let values = try values(of: delivery, sink, meaning.operation, user: user(of: event))
        return TableRow(
            key: meaning.isForAllRowsOfUser ? nil : try key(in: values),
            subject: event.subject.map(Self.subjectText),
            stamp: Stamp(
                published: published.nanoseconds, rank: meaning.operation.rank, eventID: event.id),
            operation: meaning.operation,
            values: values
        )
    }

    /// A user within an org, as the companion table stores it.
    static func subjectText(_ subject: Subject) -> String {
        RowKey.text([.string(subject.org), .string(subject.userID)])
    }

    /// What an event does to this table's rows; `none` where it has no row to change.
    func operation(of event: Event) -> Operation {
        guard mode == .upsert, let meaning = try? meaning(of: event) else { return .none }
        return meaning.operation
    }

    /// What an event does to its user: an append table is told of all events, another of those that have an
    /// effect on its rows.
    func userOperation(of event: Event) -> Operation {
        mode == .append || operation(of: event) != .none ? event.meaning.operation : .none
    }

    private func meaning(
        of event: Event
    ) throws(TableRowDefect) -> (operation: Operation, isForAllRowsOfUser: Bool) {
        guard let operations else {
            let operation = event.meaning.operation
            guard operation != .none else { throw .skipped(Self.noEffect) }
            guard event.user != nil else { throw .rejected("no user") }
            return (operation, false)
        }
        if let operation = operations[event.type] {
            let hasHappened = event.outcome?.lowercased() == "success"
            guard operation != .none, hasHappened else { throw .skipped("no effect on a row") }
            return (operation, false)
        }
        guard event.meaning.operation == .delete, event.user != nil else {
            throw .skipped("no effect on a row")
        }
        return (.delete, true)
    }

    /// What the event says of the user, without the login that Okta gives to those it has deleted.
    private func user(of event: Event) -> EventDocument.User? {
        var user = EventDocument.User(event)
        if EventMeaning.isDeletedLogin(user?.login) {
            user?.login = nil
            user?.displayName = nil
            user?.nulls = []
        }
        return user
    }

    private func key(in values: RowValues) throws(TableRowDefect) -> [RenderedValue] {
        var key: [RenderedValue] = []
        for index in self.key {
            guard let value = values[index], value != .null else {
                throw .rejected("no value for the key column \(columns[index].name)")
            }
            key.append(value)
        }
        return key
    }

    private func values(
        of delivery: Delivery, _ sink: String, _ operation: Operation, user: EventDocument.User?
    ) throws(TableRowDefect) -> RowValues {
        var document: JSONDocument?
        var values = RowValues(columns: columns.count)
        for (index, column) in columns.enumerated() {
            let value: RenderedValue
            switch column.source {
            case .standard(let standard):
                value = standard.value(of: delivery.event, operation, user: user)
            case .template(let template):
                let made = document ?? Self.document(delivery, sink, operation, user)
                document = made
                do {
                    value = try template.render(made.root)
                } catch {
                    throw .rejected("column \(column.name): \(error)")
                }
            }
            values[index] = value.withoutNUL
        }
        return values
    }

    private static func document(
        _ delivery: Delivery, _ sink: String, _ operation: Operation, _ user: EventDocument.User?
    ) -> JSONDocument {
        let event = delivery.event
        let context = EventDocument.Context(
            sink: sink, rule: delivery.rule, attempt: delivery.attempt,
            idempotencyKey: [event.org, event.id, delivery.replay].compactMap(\.self).joined(separator: ":"),
            operation: operation)
        return EventDocument.make(event, user: user, context)
    }
}

extension DefaultValue {
    fileprivate func value(
        of event: Event, _ operation: Operation, user: EventDocument.User?
    ) -> RenderedValue {
        switch self {
        case .org: .string(event.org)
        case .hook: .string(event.hook)
        case .userID: Self.text(user?.id)
        case .userLogin: Self.text(user?.login, isNull: user?.nulls.contains(.login))
        case .displayName: Self.text(user?.displayName, isNull: user?.nulls.contains(.displayName))
        case .status: Self.text(user?.status)
        case .deletedAt: operation == .delete ? Self.text(event.published?.description) : .missing
        case .eventID: .string(event.id)
        case .eventType: .string(event.type)
        case .published: Self.text(event.published?.description)
        case .receivedAt: .string(Timestamp(nanoseconds: event.receivedAt).description)
        case .operation: .string(operation.rawValue)
        case .outcome: Self.text(event.outcome)
        case .body: .json(event.body.bytes)
        case .enriched: .missing
        }
    }

    private static func text(_ value: String?, isNull: Bool? = false) -> RenderedValue {
        value.map { .string($0) } ?? (isNull == true ? .null : .missing)
    }
}
