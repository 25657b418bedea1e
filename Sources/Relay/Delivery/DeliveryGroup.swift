public import Rules

/// Events of one user that go to the sink as one delivery: the newest of them, and what came before it.
struct DeliveryGroup: Equatable {
    /// The newest one's offset, under which the delivery is known.
    let key: Offset
    /// The others, the oldest first; empty where nothing is merged.
    var earlier: [Offset] = []

    var offsets: [Offset] { earlier + [key] }

    func contains(where isSo: (Offset) -> Bool) -> Bool { isSo(key) || earlier.contains(where: isSo) }
}

/// An event in line, as far as grouping looks at it.
struct GroupMember {
    let offset: Offset
    /// Nil for an event without a usable time: it goes before all others, alone.
    let stamp: Stamp?
    let operation: Operation
    /// Whether it may have reached the destination already, alone or with others.
    var isUnknown = false

    private var isMergeable: Bool { stamp != nil && operation != .none && !isUnknown }

    /// The group that goes first, of one user's events in any order.
    ///
    /// Merged are events that change the user, up to a creation that follows a deletion: that begins another
    /// life, and the destination has to be told of both. An event that may be there already is not merged
    /// again: what is found there would speak for the others.
    static func first(of members: [GroupMember], merging: Bool) -> DeliveryGroup? {
        let sorted = members.sorted { a, b in
            switch (a.stamp, b.stamp) {
            case (let a?, let b?) where a != b: a < b
            case (nil, _?): true
            case (_?, nil): false
            default: a.offset < b.offset
            }
        }
        guard let oldest = sorted.first else { return nil }
        guard merging, oldest.isMergeable else { return DeliveryGroup(key: oldest.offset) }
        var merged: [GroupMember] = []
        for member in sorted {
            let isNextLife = member.operation == .create && merged.contains { $0.operation == .delete }
            guard member.isMergeable, !isNextLife else { break }
            merged.append(member)
        }
        let newest = merged.last ?? oldest
        return DeliveryGroup(key: newest.offset, earlier: merged.dropLast().map(\.offset))
    }
}

extension Operation {
    /// What several operations on one user, the oldest first, come to.
    ///
    /// A deletion that no creation follows leaves nothing else to do, a creation makes all of it one; else
    /// the last that decides whether the user is active counts for more than an update.
    public static func result(of operations: [Operation]) -> Operation {
        if let life = operations.last(where: { $0 == .create || $0 == .delete }) { return life }
        return operations.last { $0 == .deactivate || $0 == .reactivate } ?? operations.last ?? .none
    }
}
