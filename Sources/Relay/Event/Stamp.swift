/// Where an event stands in its user's history: by publication, then by operation, then by uuid.
///
/// Total, so that any two relays, and any order of arrival, agree on which of two events is the newer one.
public struct Stamp: Sendable, Hashable, Comparable {
    /// Nanoseconds since 1970.
    public let published: Int64
    /// ``Rules/Operation/rank``.
    public let rank: Int
    public let eventID: String

    public init(published: Int64, rank: Int, eventID: String) {
        self.published = published
        self.rank = rank
        self.eventID = eventID
    }

    public static func < (a: Stamp, b: Stamp) -> Bool {
        if a.published != b.published { return a.published < b.published }
        if a.rank != b.rank { return a.rank < b.rank }
        return a.eventID.utf8.lexicographicallyPrecedes(b.eventID.utf8)
    }
}

/// One text form, used wherever a stamp is stored: `published:rank:eventID`.
extension Stamp: LosslessStringConvertible {
    public init?(_ description: String) {
        let bytes = description.utf8
        let colon = UInt8(ascii: ":")
        guard let first = bytes.firstIndex(of: colon), case let rankStart = bytes.index(after: first),
            let second = bytes[rankStart...].firstIndex(of: colon),
            let published = Int64(description[..<first]), let rank = Int(description[rankStart..<second])
        else { return nil }
        self.init(
            published: published, rank: rank, eventID: String(description[bytes.index(after: second)...]))
    }

    public var description: String { "\(published):\(rank):\(eventID)" }
}
