/// What a pattern says of one field: a leaf, with its place in the event.
struct Condition: Hashable, Sendable {
    /// The members to go through, from the event's root.
    let path: [[UInt8]]
    /// A value of the field has to match one of them.
    let matchers: MatcherList
    /// `{"exists": false}` is among the entries: the condition also holds where the field has no value at
    /// all.
    let allowsMissing: Bool
    /// The leaf as it was written, for a person.
    let source: String

    /// The path as a person writes it.
    var name: String { path.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ".") }
}

extension Condition {
    /// Conditions on one field, of which one has to hold, as one; never none.
    init(anyOf conditions: [Condition]) {
        path = conditions[0].path
        matchers = MatcherList(conditions.flatMap(\.matchers.entries))
        allowsMissing = conditions.contains(where: \.allowsMissing)
        // For a person, who stops reading soon.
        let few = conditions.prefix(4).map(\.source).joined(separator: " or ")
        source = few + (conditions.count > 4 ? " or …" : "")
    }

    /// What an event must have where this condition, alone in its pattern, does not hold; nil where that says
    /// little.
    var opposite: Condition? {
        if allowsMissing {
            return Condition(
                path: path, matchers: MatcherList([.exists]), allowsMissing: false, source: source)
        }
        guard matchers.entries.count == 1 else { return nil }
        switch matchers.entries[0] {
        case .exists:
            return Condition(path: path, matchers: MatcherList([]), allowsMissing: true, source: source)
        // No value differs from those that are listed.
        case .anythingBut(let listed):
            return Condition(path: path, matchers: listed, allowsMissing: true, source: source)
        default: return nil
        }
    }
}

/// A pattern before it is brought into alternatives.
indirect enum Formula {
    case condition(Condition)
    case all([Formula])
    case any([Formula])

    /// One of the parts has to hold; those that ask for no more than one and the same field are one
    /// condition, with the entries of all.
    static func oneOf(_ parts: [Formula]) -> Formula {
        let conditions = Dictionary(grouping: parts.compactMap(\.onlyCondition), by: \.path)
        var merged: Set<[[UInt8]]> = []
        let rest = parts.compactMap { part -> Formula? in
            guard let condition = part.onlyCondition, let same = conditions[condition.path] else {
                return part
            }
            return merged.insert(condition.path).inserted ? .condition(Condition(anyOf: same)) : nil
        }
        return rest.count == 1 ? rest[0] : .any(rest)
    }

    /// What the formula says, where that is but one condition.
    private var onlyCondition: Condition? {
        switch self {
        case .condition(let condition): condition
        case .all(let parts), .any(let parts): parts.count == 1 ? parts[0].onlyCondition : nil
        }
    }

    /// The first members of all paths inside.
    var roots: Set<[UInt8]> {
        switch self {
        case .condition(let condition): [condition.path[0]]
        case .all(let parts), .any(let parts): parts.reduce(into: []) { $0.formUnion($1.roots) }
        }
    }

    /// The lists of conditions of which one has to hold whole; nil where there would be more than the limit.
    func alternatives(max: Int) -> [[Condition]]? {
        switch self {
        case .condition(let condition): return [[condition]]
        case .any(let parts):
            var result: [[Condition]] = []
            for part in parts {
                guard let inner = part.alternatives(max: max), result.count + inner.count <= max else {
                    return nil
                }
                result += inner
            }
            return result
        case .all(let parts):
            var result: [[Condition]] = [[]]
            for part in parts {
                guard let inner = part.alternatives(max: max), result.count * inner.count <= max else {
                    return nil
                }
                result = result.flatMap { head in inner.map { head + $0 } }
            }
            return result
        }
    }

    /// Conjuncts that touch the same members of the root, together, in their order: two groups never meet in
    /// one array, so each may choose its alternative alone.
    static func components(_ conjuncts: [Formula]) -> [Formula] {
        var groups: [[Int]] = []
        var groupOfRoot: [[UInt8]: Int] = [:]
        for (index, conjunct) in conjuncts.enumerated() {
            let roots = conjunct.roots
            let touched = Set(roots.compactMap { groupOfRoot[$0] })
            let group = touched.min() ?? groups.count
            if group == groups.count { groups.append([]) }
            groups[group].append(index)
            for other in touched where other != group {
                for moved in groups[other] {
                    for root in conjuncts[moved].roots { groupOfRoot[root] = group }
                }
                groups[group] += groups[other]
                groups[other] = []
            }
            for root in roots { groupOfRoot[root] = group }
        }
        return groups.filter { !$0.isEmpty }.map { group in
            group.count == 1 ? conjuncts[group[0]] : .all(group.sorted().map { conjuncts[$0] })
        }
    }
}
