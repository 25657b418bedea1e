import JSON
public import Rules

/// What is known of one user (or one row's key) after the events so far: the pure fold that SQL and HTTP
/// sinks
/// share.
///
/// It keeps the stamp of what was last applied, per field: a column for SQL, the aspects `profile` and
/// `status`
/// for HTTP. Each field is won by its newest stamp; life and death are decided apart from the fields, by the
/// newest create against the newest delete. So the result is the same in whatever order, and however often,
/// the
/// events come.
public struct FoldState: Sendable, Equatable {
    /// Per field, the stamp of the event that wrote it last.
    public private(set) var stamps = FieldStamps()
    /// The newest create.
    public private(set) var created: Stamp?
    /// The newest delete that a newer create followed: what was written up to it belongs to an earlier life.
    public private(set) var buried: Stamp?
    /// The deletes newer than the newest create, ascending.
    ///
    /// All are kept, because a create that arrives late may come between two of them; but no more than
    /// ``deletesMax``, the newest.
    public private(set) var deletes: [Stamp] = []
    /// Per field, a value that its owner wants back with the state (HTTP sinks; SQL sinks keep here what a
    /// deletion hides).
    public var values: [String: String] = [:]

    /// One deletion in Okta makes three events; more deletes than this without a create between them only
    /// occur
    /// where creates are not routed at all, and then they don't matter.
    private static let deletesMax = 16

    public init() {}

    /// The newest delete.
    public var deleted: Stamp? { deletes.last ?? buried }

    /// A tombstone is final: only a newer create revives.
    public var isDeleted: Bool { !deletes.isEmpty }

    /// Applies one event that carries these fields.
    ///
    /// While the key is deleted its fields go on being won by stamps, so that events which arrive after a
    /// deletion leave the same state as those before it; what that does to a row is the sink's own business.
    public mutating func apply(
        _ stamp: Stamp, _ operation: Operation, carrying fields: [String]
    ) -> FoldEffect {
        let wasDeleted = isDeleted
        let isFresh =
            switch operation {
            case .create: create(stamp)
            case .delete: delete(stamp)
            case .update, .reactivate, .deactivate, .none: false
            }
        var effect = FoldEffect(life: life(wasDeleted), written: [], voided: voidFields())
        for field in fields where isNewEnough(stamp, for: field) {
            stamps[field] = stamp
            effect.written.append(field)
        }
        effect.isSuperseded = effect.written.isEmpty && effect.voided.isEmpty && !isFresh
        return effect
    }

    /// Whether it is the newest create, or that one again.
    private mutating func create(_ stamp: Stamp) -> Bool {
        guard created.map({ $0 <= stamp }) ?? true else { return false }
        created = stamp
        while let oldest = deletes.first, oldest < stamp { bury(deletes.removeFirst()) }
        return true
    }

    /// Whether it is the newest delete, or that one again.
    private mutating func delete(_ stamp: Stamp) -> Bool {
        let isNewest = deleted.map { $0 <= stamp } ?? true
        if let created, stamp < created {
            bury(stamp)
        } else if !deletes.contains(stamp) {
            deletes.insert(stamp, at: deletes.firstIndex { stamp < $0 } ?? deletes.endIndex)
            if deletes.count > Self.deletesMax { deletes.removeFirst() }
        }
        return isNewest
    }

    private mutating func bury(_ stamp: Stamp) {
        if buried.map({ $0 < stamp }) ?? true { buried = stamp }
    }

    private func life(_ wasDeleted: Bool) -> FoldEffect.Life {
        switch (wasDeleted, isDeleted) {
        case (true, false): .revived
        case (false, true): .died
        case (false, false): .alive
        case (true, true): .dead
        }
    }

    /// Equal stamps apply again, which is how a repeated delivery stays harmless.
    private func isNewEnough(_ stamp: Stamp, for field: String) -> Bool {
        if let buried, stamp <= buried { return false }
        return stamps[field].map { $0 <= stamp } ?? true
    }

    /// In a new life, what an earlier one wrote no longer holds, the deletion's own words included.
    private mutating func voidFields() -> [String] {
        guard let buried else { return [] }
        let voided = stamps.names(upTo: buried)
        for field in voided { stamps[field] = nil }
        return voided
    }
}

/// What one event did to a ``FoldState``.
public struct FoldEffect: Sendable, Equatable {
    public enum Life: Sendable { case alive, died, dead, revived }

    public var life: Life
    /// The carried fields that the event wins.
    public var written: [String]
    /// Fields of an earlier life that hold no longer: to be cleared.
    public var voided: [String]
    /// Whether a newer event had been there for everything this one says.
    public var isSuperseded = false
}

/// One text form, JSON, for wherever the state is stored.
extension FoldState {
    /// Nil where the text is not a state.
    public init?(json: [UInt8]) {
        guard let root = try? JSONDocument(json).root, root.kind == .object else { return nil }
        if let members = root["stamps"]?.members {
            for (name, value) in members {
                // States of the first journals and tables have each field with its stamp.
                if let stamp = value.string.flatMap(Stamp.init) {
                    stamps[name.string ?? ""] = stamp
                    continue
                }
                guard let stamp = name.string.flatMap(Stamp.init) else { return nil }
                for field in value.elements { stamps[field.string ?? ""] = stamp }
            }
        }
        if let members = root["values"]?.members {
            for (name, value) in members { values[name.string ?? ""] = value.string ?? "" }
        }
        created = root["created"]?.string.flatMap(Stamp.init)
        buried = root["buried"]?.string.flatMap(Stamp.init)
        deletes = root["deletes"]?.elements.compactMap { $0.string.flatMap(Stamp.init) } ?? []
    }

    public var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { object in
            if let created { object.member("created", created.description) }
            if let buried { object.member("buried", buried.description) }
            if !deletes.isEmpty {
                object.name("deletes")
                object.array { array in for stamp in self.deletes { array.string(stamp.description) } }
            }
            // Each stamp stands before all of its fields.
            object.name("stamps")
            object.object { stamps in
                for (stamp, names) in self.stamps.groups {
                    stamps.name(stamp.description)
                    stamps.array { array in for name in names { array.string(name) } }
                }
            }
            if !values.isEmpty {
                object.name("values")
                object.object { values in
                    for (name, value) in self.values.sorted(by: { $0.key < $1.key }) {
                        values.member(name, value)
                    }
                }
            }
        }
        return writer.bytes
    }
}
