/// Per field of a ``FoldState``, the stamp of the event that wrote it last.
///
/// An array that is looked through: an event has a dozen fields at most, and one that is drained from a
/// backlog would spend more on hashing their names than on all else that the fold does with it.
public struct FieldStamps: Sendable, Equatable, Sequence {
    public struct Field: Sendable, Equatable {
        public let key: String
        public fileprivate(set) var value: Stamp
    }

    /// By ascending name.
    private var fields: [Field] = []

    public var isEmpty: Bool { fields.isEmpty }

    public func makeIterator() -> IndexingIterator<[Field]> { fields.makeIterator() }

    public internal(set) subscript(name: String) -> Stamp? {
        get { fields.first { $0.key == name }?.value }
        set {
            let place = fields.firstIndex { $0.key == name }
            switch (place, newValue) {
            case (let place?, let stamp?): fields[place].value = stamp
            case (let place?, nil): fields.remove(at: place)
            case (nil, let stamp?):
                let next = fields.firstIndex { name < $0.key } ?? fields.endIndex
                fields.insert(Field(key: name, value: stamp), at: next)
            case (nil, nil): break
            }
        }
    }

    /// The names of the fields that were written by this event, or before it, in order.
    func names(upTo stamp: Stamp) -> [String] { fields.filter { $0.value <= stamp }.map(\.key) }

    /// Each stamp once, ascending, with the names of its fields in order.
    ///
    /// An event writes most fields at once, so there are few.
    var groups: [(stamp: Stamp, names: [String])] {
        var groups: [(stamp: Stamp, names: [String])] = []
        for field in fields {
            if let place = groups.firstIndex(where: { $0.stamp == field.value }) {
                groups[place].names.append(field.key)
            } else {
                groups.append((field.value, [field.key]))
            }
        }
        return groups.sorted { $0.stamp < $1.stamp }
    }
}
