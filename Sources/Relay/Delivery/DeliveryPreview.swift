/// A sink that can show what it would do with a delivery, without its destination.
public protocol DeliveryPreviewing: Sink {
    /// What ``Sink/deliver(_:)`` would write or send, computed by the same code.
    ///
    /// Needs no ``Sink/prepare()`` and touches nothing outside. What the destination holds already is not
    /// looked at: without the delivery's ``Delivery/state`` this is the answer for an event that is the
    /// newest of its user, and its first.
    func preview(_ delivery: Delivery) -> DeliveryPreview

    /// What the sink would have been told of the delivery's user then; nil where it keeps nothing of users,
    /// or that stays as it is.
    func state(after delivery: Delivery) -> FoldState?
}

extension DeliveryPreviewing {
    public func state(after delivery: Delivery) -> FoldState? { nil }
}

/// What a sink would do with one delivery.
///
/// Holds user data, so it is for an operator who asked for it, never for a log. Credentials that the sink
/// adds by itself are `***` in it; see ``masked(by:)`` for those in a mapping.
public enum DeliveryPreview: Sendable, Equatable {
    case row(RowPreview)
    case request(RequestPreview)
    /// Nothing is written or sent; the outcome tells why.
    case nothing(Receipt.Outcome)
}

/// A row as it would be written.
public struct RowPreview: Sendable, Equatable {
    /// What happens to the row.
    public enum Action: String, Sendable, CaseIterable {
        /// A row of its own per event.
        case insert
        /// Inserted, or changed in the columns that the event carries.
        case upsert
        /// Kept, and marked as deleted.
        case mark
        case delete
    }

    public struct Column: Sendable, Equatable {
        public let name: String
        /// One JSON value; nil where the event does not carry the column, which keeps its value then.
        public let value: [UInt8]?
        public let isKey: Bool
        /// Whether it is written with a new row only.
        public let isInsertOnly: Bool

        public init(name: String, value: [UInt8]?, isKey: Bool, isInsertOnly: Bool) {
            self.name = name
            self.value = value
            self.isKey = isKey
            self.isInsertOnly = isInsertOnly
        }
    }

    /// With its schema, where the config names one.
    public let table: String
    public let action: Action
    /// Whether all rows of the event's user are meant, and not the one with the key.
    public let isForAllRowsOfUser: Bool
    public let columns: [Column]

    public init(table: String, action: Action, isForAllRowsOfUser: Bool, columns: [Column]) {
        self.table = table
        self.action = action
        self.isForAllRowsOfUser = isForAllRowsOfUser
        self.columns = columns
    }
}

/// An HTTP request as it would be sent.
public struct RequestPreview: Sendable, Equatable {
    public struct Header: Sendable, Equatable {
        public let name: String
        public let value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public let method: String
    public let url: String
    public let headers: [Header]
    /// Nil sends none.
    public let body: [UInt8]?

    public init(method: String, url: String, headers: [Header], body: [UInt8]?) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
    }
}
