import JSON

/// Conditions that have to hold together, as a tree of member names.
///
/// Because the conditions on everything below an array have to be met by one element of it, the match follows
/// the tree and the event down together: at an array it looks for one element in which the whole subtree
/// holds.
final class Alternative: Sendable {
    /// One step of a path, and what is said of the values there.
    struct Node: Sendable {
        let name: [UInt8]
        /// Indices of conditions on this very path.
        var conditions: [Int] = []
        /// Indices of nodes.
        var children: [Int] = []
    }

    let nodes: [Node]
    let conditions: [Condition]

    init(_ conditions: [Condition]) {
        self.conditions = conditions
        var nodes = [Node(name: [])]
        var places: [Place: Int] = [:]
        for (index, condition) in conditions.enumerated() {
            var node = 0
            for name in condition.path {
                let place = Place(node: node, name: name)
                let child = places[place] ?? nodes.count
                if child == nodes.count {
                    nodes.append(Node(name: name))
                    nodes[node].children.append(child)
                    places[place] = child
                }
                node = child
            }
            nodes[node].conditions.append(index)
        }
        self.nodes = nodes
    }

    /// A child by its name, while the tree is built.
    private struct Place: Hashable {
        let node: Int
        let name: [UInt8]
    }

    /// Whether a node has more conditions than fit the bit mask of a match.
    var isTooWide: Bool { nodes.contains { $0.conditions.count > 64 } }

    /// Whether all conditions hold in the object at that tape index.
    func holds(_ root: Int, in tape: TapeView) -> Bool {
        var evaluation = Evaluation(alternative: self, tape: tape, root: root)
        return evaluation.holds(0, pending: 0, at: root)
    }
}

/// One match of one alternative against one event.
private struct Evaluation {
    let alternative: Alternative
    let tape: TapeView
    let root: Int
    /// By condition, whether its field is nowhere in the event, as far as somebody has asked.
    var absences: [Int: Bool] = [:]

    /// Whether a node's pending conditions, a bit each, and everything below it hold at one value.
    mutating func holds(_ index: Int, pending: UInt64, at value: Int) -> Bool {
        let entry = tape.entries[value]
        switch entry.kind {
        case .object:
            guard areAbsent(index, pending) else { return false }
            for child in alternative.nodes[index].children {
                guard let member = tape.member(alternative.nodes[child].name, of: value) else {
                    guard isAbsent(child) else { return false }
                    continue
                }
                guard holds(child, pending: all(child), at: member) else { return false }
            }
            return true
        case .array: return holdsInArray(index, pending: pending, from: value + 1, to: Int(entry.next))
        default:
            return areAbsent(index, unmet(index, pending, by: entry)) && areChildrenAbsent(index)
        }
    }

    /// A scalar in the array may meet a condition by itself; what lies deeper has to come from one element.
    private mutating func holdsInArray(_ index: Int, pending: UInt64, from start: Int, to end: Int) -> Bool {
        var rest = pending
        var cursor = start
        var hasContainers = false
        while cursor < end {
            let entry = tape.entries[cursor]
            if entry.kind == .object || entry.kind == .array {
                hasContainers = true
            } else if rest != 0 {
                rest = unmet(index, rest, by: entry)
            }
            cursor = Int(entry.next)
        }
        if areAbsent(index, rest), areChildrenAbsent(index) { return true }
        guard hasContainers else { return false }
        cursor = start
        while cursor < end {
            let entry = tape.entries[cursor]
            if entry.kind == .object || entry.kind == .array, holds(index, pending: rest, at: cursor) {
                return true
            }
            cursor = Int(entry.next)
        }
        return false
    }

    private func all(_ node: Int) -> UInt64 {
        let count = alternative.nodes[node].conditions.count
        return count >= 64 ? .max : (1 << UInt64(count)) &- 1
    }

    /// The pending conditions that a scalar does not meet.
    private func unmet(_ node: Int, _ pending: UInt64, by entry: TapeEntry) -> UInt64 {
        var rest = pending
        for (bit, condition) in alternative.nodes[node].conditions.enumerated() where rest >> bit & 1 == 1 {
            if alternative.conditions[condition].matchers.contains(entry, in: tape) {
                rest &= ~(1 << bit)
            }
        }
        return rest
    }

    // MARK: - Absence

    private mutating func isAbsent(_ node: Int) -> Bool {
        areAbsent(node, all(node)) && areChildrenAbsent(node)
    }

    private mutating func areChildrenAbsent(_ node: Int) -> Bool {
        for child in alternative.nodes[node].children {
            guard isAbsent(child) else { return false }
        }
        return true
    }

    /// Whether all pending conditions of a node ask for a missing field, and it is.
    private mutating func areAbsent(_ node: Int, _ pending: UInt64) -> Bool {
        guard pending != 0 else { return true }
        for (bit, condition) in alternative.nodes[node].conditions.enumerated() where pending >> bit & 1 == 1
        {
            guard alternative.conditions[condition].allowsMissing, isMissing(condition) else { return false }
        }
        return true
    }

    private mutating func isMissing(_ condition: Int) -> Bool {
        if let known = absences[condition] { return known }
        let answer = !tape.hasValue(alternative.conditions[condition].path[...], below: root)
        absences[condition] = answer
        return answer
    }
}

extension TapeView {
    /// Whether a path leads to any scalar, through whatever arrays lie on it.
    func hasValue(_ path: ArraySlice<[UInt8]>, below index: Int) -> Bool {
        !forEachValue(path, below: index) { _ in false }
    }

    /// Visits the scalars at a path; stops, and answers false, when the visitor does.
    @discardableResult
    func forEachValue(_ path: ArraySlice<[UInt8]>, below index: Int, _ visit: (Int) -> Bool) -> Bool {
        let entry = entries[index]
        switch entry.kind {
        case .array:
            var cursor = index + 1
            while cursor < Int(entry.next) {
                guard forEachValue(path, below: cursor, visit) else { return false }
                cursor = Int(entries[cursor].next)
            }
            return true
        case .object:
            guard let name = path.first, let member = member(name, of: index) else { return true }
            return forEachValue(path.dropFirst(), below: member, visit)
        default: return path.isEmpty ? visit(index) : true
        }
    }
}
