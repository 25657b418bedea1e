import JSON

/// Chooses each rule's anchors, and builds the index of them.
struct RuleIndexBuilder {
    /// Alternatives, each with the conditions that it needs all of.
    private typealias Component = [[Condition]]
    /// What a rule needs at least one of: patterns, each with components that it needs all of.
    private typealias Group = [[Component]]

    private var fields = [RuleIndex.Field()]
    private var nodes = [RuleIndex.Node()]
    private var children: [UInt64: [Int32]] = [:]
    private var postings: [UInt64: [Int32]] = [:]
    private var ranges: [Int: [(lower: Double, upper: Double, rule: Int32)]] = [:]
    private var always: [UInt64]
    /// How many conditions could use an anchor.
    private var uses: [UInt64: Int] = [:]
    private var fieldIndices: [[[UInt8]]: Int] = [[]: RuleIndex.eventTypeField]
    private var usedFields: Set<Int> = []

    static func index(of rules: [Rule]) -> RuleIndex {
        var builder = RuleIndexBuilder(ruleCount: rules.count)
        let groups = rules.map(builder.groups)
        for condition in groups.joined().joined().joined().joined().joined() { builder.count(condition) }
        for (rule, groups) in groups.enumerated() { builder.add(rule, groups) }
        return builder.finish()
    }

    private init(ruleCount: Int) { always = Array(repeating: 0, count: (ruleCount + 63) / 64) }

    // MARK: - What a rule needs

    /// Each group alone decides that a rule cannot match; one of them is chosen for the index.
    private func groups(of rule: Rule) -> [Group] {
        var result: [Group] = []
        if !rule.events.isEmpty {
            let matchers = rule.events.map { Matcher.wildcard($0.wildcard) }
            result.append([[[[Condition(path: [], matchers: matchers, allowsMissing: false, source: "")]]]])
        }
        for pattern in [rule.conditions.pattern].compactMap(\.self) + rule.conditions.all {
            result += pattern.components.map { [[$0.map(\.conditions)]] }
        }
        if !rule.conditions.any.isEmpty {
            result.append(rule.conditions.any.map { $0.components.map { $0.map(\.conditions) } })
        }
        return result
    }

    // MARK: - Choosing

    private mutating func count(_ condition: Condition) {
        guard !condition.allowsMissing else { return }
        let field = field(condition.path)
        for matcher in condition.matchers {
            for anchor in matcher.anchors(field: field) { uses[anchor.key, default: 0] += 1 }
        }
    }

    private mutating func add(_ rule: Int, _ groups: [Group]) {
        var best: (conditions: [Condition], cost: Int)?
        for group in groups {
            guard let choice = choose(group), choice.cost < best?.cost ?? .max else { continue }
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
                guard let cost = cost(condition), cost < best?.cost ?? .max else { continue }
                best = (condition, cost)
            }
            guard let best else { return nil }
            result.conditions.append(best.condition)
            result.cost += best.cost
        }
        return result
    }

    /// A guess at how often the condition makes its rule a candidate in vain; nil where it always does.
    private mutating func cost(_ condition: Condition) -> Int? {
        guard !condition.allowsMissing else { return nil }
        let field = field(condition.path)
        // Most events of a hook are of few types, so those tell events apart badly.
        let factor = condition.path.isEmpty || condition.path == [Array("eventType".utf8)] ? 200 : 1
        return condition.matchers.reduce(0) { $0 + best($1, field).cost * factor }
    }

    private func best(_ matcher: Matcher, _ field: Int) -> (anchor: Anchor?, cost: Int) {
        if case .numeric(let range) = matcher, range.lower != range.upper {
            return (nil, range.lower.isFinite && range.upper.isFinite ? 5 : 50)
        }
        let ranked = matcher.anchors(field: field).map {
            (anchor: $0, cost: (uses[$0.key] ?? 1) * $0.commonness)
        }
        guard let best = ranked.min(by: { $0.cost < $1.cost }) else { return (nil, 1_000_000) }
        return (best.anchor, best.cost)
    }

    private mutating func insert(_ condition: Condition, for rule: Int32) {
        let index = field(condition.path)
        usedFields.insert(index)
        for matcher in condition.matchers {
            if let anchor = best(matcher, index).anchor {
                insert(anchor, for: rule)
            } else if case .numeric(let range) = matcher {
                fields[index].hasNumbers = true
                ranges[index, default: []].append((range.lower, range.upper, rule))
            } else if fields[index].present.last != rule {
                fields[index].present.append(rule)
            }
        }
    }

    private mutating func insert(_ anchor: Anchor, for rule: Int32) {
        if postings[anchor.key]?.last != rule { postings[anchor.key, default: []].append(rule) }
        func note(_ length: Int, _ lengths: inout [Int]) {
            if !lengths.contains(length) { lengths.append(length) }
        }
        let index = anchor.field
        switch anchor.kind {
        case .exact:
            fields[index].hasExact = true
            // A number without a double of its own is looked up by its text.
            fields[index].hasNumbers = true
        case .prefix: note(anchor.length, &fields[index].prefixLengths)
        case .suffix: note(anchor.length, &fields[index].suffixLengths)
        case .gram: note(anchor.length, &fields[index].gramSizes)
        case .foldedExact: fields[index].hasFoldedExact = true
        case .foldedPrefix: note(anchor.length, &fields[index].foldedPrefixLengths)
        case .foldedSuffix: note(anchor.length, &fields[index].foldedSuffixLengths)
        case .number: fields[index].hasNumbers = true
        case .literal: fields[index].hasLiterals = true
        case .present: break
        }
    }

    // MARK: - Building

    private mutating func field(_ path: [[UInt8]]) -> Int {
        if let known = fieldIndices[path] { return known }
        fields.append(RuleIndex.Field())
        fieldIndices[path] = fields.count - 1
        return fields.count - 1
    }

    private mutating func finish() -> RuleIndex {
        for (path, field) in fieldIndices where usedFields.contains(field) && !path.isEmpty {
            addPath(path, field)
        }
        for index in fields.indices {
            fields[index].prefixLengths.sort()
            fields[index].suffixLengths.sort()
            fields[index].foldedPrefixLengths.sort()
            fields[index].foldedSuffixLengths.sort()
            fields[index].ranges = RangeIndex(ranges[index] ?? [])
            if fields[index].present.count > 64 {
                fields[index].presentBits = Array(repeating: 0, count: always.count)
                for rule in fields[index].present {
                    fields[index].presentBits[Int(rule >> 6)] |= 1 << UInt64(rule & 63)
                }
                fields[index].present = []
            }
        }
        return RuleIndex(
            fields: fields,
            nodes: nodes,
            children: HashIndex(children),
            postings: HashIndex(postings),
            always: always
        )
    }

    private mutating func addPath(_ path: [[UInt8]], _ field: Int) {
        var node = 0
        for name in path {
            nodes[node].nameLengths |= 1 << UInt64(name.count & 63)
            let key = name.withUnsafeBufferPointer { RuleIndex.nameKey(node, $0) }
            if let known = children[key]?.first {
                node = Int(known)
            } else {
                nodes.append(RuleIndex.Node())
                children[key] = [Int32(nodes.count - 1)]
                node = nodes.count - 1
            }
        }
        nodes[node].fields.append(field)
    }
}
