import JSON

/// Chooses each rule's anchors, and builds the index of them.
struct RuleIndexBuilder {
    /// Alternatives, each with the conditions that it needs all of.
    private typealias Component = [[Condition]]
    /// What a rule needs at least one of: patterns, each with components that it needs all of.
    private typealias Group = [[Component]]

    private var fields = [Draft()]
    private var nodes = [(fields: [Int32](), nameLengths: UInt64(0))]
    private var children: [UInt64: [Int32]] = [:]
    private var postings: [UInt64: [Int32]] = [:]
    private var always: [UInt64]
    private var absences: [UInt64]
    private var bitmaps: [UInt64] = []
    /// How many conditions could use an anchor.
    private var uses: [UInt64: Int] = [:]
    private var fieldIndices: [[[UInt8]]: Int] = [[]: RuleIndex.textField]

    /// The index of the rules' patterns over the event.
    static func index(ofPatterns rules: [Rule]) -> RuleIndex { index(rules.map(patternGroups)) }

    /// The index of lists of conditions, each to be met whole.
    static func index(ofAlternatives lists: [[Condition]]) -> RuleIndex { index(lists.map { [[[[$0]]]] }) }

    /// The index of lists of event types, for `findCandidates(of:)`.
    static func index(ofEventTypes lists: [[EventTypePattern]]) -> RuleIndex {
        index(
            lists.map { list in
                let matchers = MatcherList(list.map { .wildcard($0.wildcard) })
                return [[[[[Condition(path: [], matchers: matchers, allowsMissing: false, source: "")]]]]]
            })
    }

    private static func index(_ groups: [[Group]]) -> RuleIndex {
        var builder = RuleIndexBuilder(ruleCount: groups.count)
        for condition in groups.joined().joined().joined().joined().joined() { builder.count(condition) }
        for (rule, groups) in groups.enumerated() { builder.add(rule, groups) }
        return builder.finish()
    }

    private init(ruleCount: Int) {
        always = Array(repeating: 0, count: (ruleCount + 63) / 64)
        absences = always
    }

    // MARK: - What a rule needs

    /// Each group alone decides that a rule cannot match; one of them is chosen for the index.
    private static func patternGroups(of rule: Rule) -> [Group] {
        var result: [Group] = []
        for pattern in [rule.conditions.pattern].compactMap(\.self) + rule.conditions.all {
            result += pattern.components.map { [[$0.conditions]] }
        }
        if !rule.conditions.any.isEmpty {
            result.append(rule.conditions.any.map { $0.components.map(\.conditions) })
        }
        for pattern in rule.conditions.none {
            guard let opposite = pattern.onlyCondition?.opposite else { continue }
            result.append([[[[opposite]]]])
        }
        return result
    }

    // MARK: - Choosing

    private mutating func count(_ condition: Condition) {
        let field = field(condition.path)
        if let absence = condition.absence(field: field) { uses[absence.key, default: 0] += 1 }
        for matcher in condition.matchers.entries {
            for anchor in matcher.anchors(field: field) { uses[anchor.key, default: 0] += 1 }
        }
    }

    private mutating func add(_ rule: Int, _ groups: [Group]) {
        var best: (conditions: [Condition], cost: Int)?
        for group in groups {
            guard let choice = choose(group), choice.cost < best?.cost ?? .max else { continue }
            // A field that turns up takes the rule from the candidates, so there can be one such field only.
            guard Set(choice.conditions.filter(\.allowsMissing).map(\.path)).count <= 1 else { continue }
            best = choice
        }
        guard let best else {
            always[rule >> 6] |= 1 << UInt64(rule & 63)
            return
        }
        for condition in best.conditions { insert(condition, for: Int32(rule)) }
    }

    /// Of each pattern the cheapest component, and of each of its alternatives the cheapest condition; nil
    /// where some pattern can match without any value of the event.
    private mutating func choose(_ group: Group) -> (conditions: [Condition], cost: Int)? {
        var result: (conditions: [Condition], cost: Int) = ([], 0)
        for components in group {
            var best: (conditions: [Condition], cost: Int)?
            for component in components {
                guard let choice = choose(component), choice.cost < best?.cost ?? .max else { continue }
                best = choice
            }
            guard let best else { return nil }
            result.conditions += best.conditions
            result.cost += best.cost
        }
        return result
    }

    private mutating func choose(_ component: Component) -> (conditions: [Condition], cost: Int)? {
        var result: (conditions: [Condition], cost: Int) = ([], 0)
        for conditions in component {
            var best: (condition: Condition, cost: Int)?
            for condition in conditions {
                let cost = cost(condition)
                if cost < best?.cost ?? .max { best = (condition, cost) }
            }
            guard let best else { return nil }
            result.conditions.append(best.condition)
            result.cost += best.cost
        }
        return result
    }

    /// A guess at how often the condition makes its rule a candidate in vain.
    private mutating func cost(_ condition: Condition) -> Int {
        let field = field(condition.path)
        // Most events of a hook are of few types, so those tell events apart badly.
        let factor = condition.path == [Array("eventType".utf8)] ? 200 : 1
        let absence = condition.absence(field: field).map(cost) ?? 0
        return condition.matchers.entries.reduce(absence) { $0 + best($1, field).cost * factor }
    }

    private func cost(_ anchor: Anchor) -> Int { (uses[anchor.key] ?? 1) * anchor.commonness }

    private func best(_ matcher: Matcher, _ field: Int) -> (anchor: Anchor?, cost: Int) {
        if case .numeric(let range) = matcher, range.lower != range.upper {
            return (nil, range.lower.isFinite && range.upper.isFinite ? 5 : 50)
        }
        let ranked = matcher.anchors(field: field).map { (anchor: $0, cost: cost($0)) }
        guard let best = ranked.min(by: { $0.cost < $1.cost }) else { return (nil, 1_000_000) }
        return (best.anchor, best.cost)
    }

    private mutating func insert(_ condition: Condition, for rule: Int32) {
        let index = field(condition.path)
        fields[index].isUsed = true
        if condition.allowsMissing {
            absences[Int(rule >> 6)] |= 1 << UInt64(rule & 63)
            if fields[index].absent.last != rule { fields[index].absent.append(rule) }
        }
        for matcher in condition.matchers.entries {
            if let anchor = best(matcher, index).anchor {
                if postings[anchor.key]?.last != rule { postings[anchor.key, default: []].append(rule) }
                fields[index].note(anchor)
            } else if case .numeric(let range) = matcher {
                fields[index].ranges.append((range.lower, range.upper, rule))
            } else if fields[index].present.last != rule {
                fields[index].present.append(rule)
            }
        }
    }

    // MARK: - Building

    private mutating func finish() -> RuleIndex {
        for (path, field) in fieldIndices where fields[field].isUsed && !path.isEmpty {
            addPath(path, field)
        }
        for (key, list) in postings where list.count > always.count { postings[key] = compact(list) }
        var index = RuleIndex(
            children: HashIndex(children), postings: HashIndex(postings), always: always, absences: absences)
        for draft in fields {
            index.add(draft, present: compact(draft.present), absent: compact(draft.absent))
        }
        index.paths = Array(repeating: [], count: fields.count)
        for (path, field) in fieldIndices where !fields[field].absent.isEmpty { index.paths[field] = path }
        index.bitmaps = bitmaps
        for node in nodes {
            index.nodes.append(
                RuleIndex.Node(
                    fields: Self.append(node.fields, to: &index.nodeFields), nameLengths: node.nameLengths))
        }
        return index
    }

    /// A list of rules, as one bitmap where it is longer than that.
    private mutating func compact(_ list: [Int32]) -> [Int32] {
        guard list.count > always.count else { return list }
        let start = bitmaps.count
        bitmaps += Array(repeating: 0, count: always.count)
        for rule in list { bitmaps[start + Int(rule >> 6)] |= 1 << UInt64(rule & 63) }
        return [~Int32(start / always.count)]
    }

    private mutating func addPath(_ path: [[UInt8]], _ field: Int) {
        var node = 0
        for name in path {
            nodes[node].nameLengths |= 1 << UInt64(name.count & 63)
            let key = name.withUnsafeBufferPointer { RuleIndex.nameKey(node, $0) }
            if let known = children[key]?.first {
                node = Int(known)
            } else {
                nodes.append((fields: [], nameLengths: 0))
                children[key] = [Int32(nodes.count - 1)]
                node = nodes.count - 1
            }
        }
        nodes[node].fields.append(Int32(field))
    }

    private mutating func field(_ path: [[UInt8]]) -> Int {
        if let known = fieldIndices[path] { return known }
        fields.append(Draft())
        fieldIndices[path] = fields.count - 1
        return fields.count - 1
    }

    fileprivate static func append<Element>(_ list: [Element], to array: inout [Element]) -> RuleIndex.Part {
        let start = Int32(array.count)
        array += list
        return RuleIndex.Part(start: start, end: Int32(array.count))
    }
}

// MARK: - Fields

extension RuleIndexBuilder {
    /// What is to be looked up in one field, as it gathers.
    fileprivate struct Draft {
        var lengths: [Anchor.Kind: Set<Int32>] = [:]
        var ranges: [(lower: Double, upper: Double, rule: Int32)] = []
        var present: [Int32] = []
        var absent: [Int32] = []
        var isUsed = false

        mutating func note(_ anchor: Anchor) {
            lengths[anchor.kind, default: []].insert(Int32(anchor.length))
        }
    }
}

extension RuleIndex {
    fileprivate mutating func add(_ draft: RuleIndexBuilder.Draft, present: [Int32], absent: [Int32]) {
        func part(_ kind: Anchor.Kind) -> Part {
            RuleIndexBuilder.append((draft.lengths[kind] ?? []).sorted(), to: &lengths)
        }
        var field = Field()
        field.prefixes = part(.prefix)
        field.suffixes = part(.suffix)
        field.foldedPrefixes = part(.foldedPrefix)
        field.foldedSuffixes = part(.foldedSuffix)
        field.grams = part(.gram)
        field.blocks = part(.block)
        field.hasExact = draft.lengths[.exact] != nil
        field.hasFoldedExact = draft.lengths[.foldedExact] != nil
        field.hasLiterals = draft.lengths[.literal] != nil
        // A number without a double of its own is looked up by its text, like a string.
        field.hasNumbers = field.hasExact || draft.lengths[.number] != nil || !draft.ranges.isEmpty
        if !draft.ranges.isEmpty {
            field.ranges = ranges.count
            ranges.append(RangeIndex(draft.ranges))
        }
        field.present = RuleIndexBuilder.append(present, to: &rules)
        field.absent = RuleIndexBuilder.append(absent, to: &rules)
        fields.append(field)
    }
}
