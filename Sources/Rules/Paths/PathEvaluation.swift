import JSON

/// One run of a query over one document.
struct PathEvaluation {
    let tape: TapeView
    let root: Int
    private var visits = 0

    init(tape: TapeView, root: Int) {
        self.tape = tape
        self.root = root
    }

    /// What an operand yields.
    private enum Value {
        case nothing
        case node(Int)
        case literal(PathLiteral)
    }

    mutating func nodes(of query: Query, current: Int) throws(JSONPathError) -> [Int] {
        var nodes = [query.isAbsolute ? root : current]
        for segment in query.segments {
            var next: [Int] = []
            for node in nodes {
                if segment.isDescendant {
                    try descend(node, segment.selectors, into: &next)
                } else {
                    try select(node, segment.selectors, into: &next)
                }
            }
            nodes = next
            if nodes.isEmpty { break }
        }
        return nodes
    }

    // MARK: - Selectors

    private mutating func visit() throws(JSONPathError) {
        visits += 1
        guard visits <= JSONPath.visitsMax else { throw JSONPathError() }
    }

    private func append(_ node: Int, to nodes: inout [Int]) throws(JSONPathError) {
        guard nodes.count < JSONPath.nodesMax else { throw JSONPathError() }
        nodes.append(node)
    }

    /// The node itself first, then its children, each with what lies below it.
    private mutating func descend(
        _ node: Int, _ selectors: [Selector], into nodes: inout [Int]
    ) throws(JSONPathError) {
        try select(node, selectors, into: &nodes)
        for child in children(node) { try descend(child, selectors, into: &nodes) }
    }

    private mutating func select(
        _ node: Int, _ selectors: [Selector], into nodes: inout [Int]
    ) throws(JSONPathError) {
        for selector in selectors {
            try visit()
            switch selector {
            case .name(let name):
                if let member = tape.member(name, of: node) { try append(member, to: &nodes) }
            case .wildcard:
                for child in children(node) {
                    try visit()
                    try append(child, to: &nodes)
                }
            case .index(let index):
                guard tape.entries[node].kind == .array else { continue }
                let elements = children(node)
                let place = index < 0 ? elements.count + index : index
                visits += elements.count
                if elements.indices.contains(place) { try append(elements[place], to: &nodes) }
            case .slice(let start, let end, let step):
                guard tape.entries[node].kind == .array else { continue }
                try slice(children(node), start, end, step, into: &nodes)
            case .filter(let condition):
                for child in children(node) {
                    try visit()
                    if try holds(condition, child) { try append(child, to: &nodes) }
                }
            }
        }
    }

    /// RFC 9535 §2.3.4.2.2.
    private mutating func slice(
        _ elements: [Int], _ start: Int?, _ end: Int?, _ step: Int, into nodes: inout [Int]
    ) throws(JSONPathError) {
        let count = elements.count
        func normal(_ index: Int) -> Int { index >= 0 ? index : count + index }
        visits += count
        if step > 0 {
            let lower = min(max(normal(start ?? 0), 0), count)
            let upper = min(max(normal(end ?? count), 0), count)
            var index = lower
            while index < upper {
                try append(elements[index], to: &nodes)
                let (next, isPast) = index.addingReportingOverflow(step)
                if isPast { break }
                index = next
            }
        } else if step < 0 {
            let upper = min(max(start.map(normal) ?? count - 1, -1), count - 1)
            let lower = min(max(end.map(normal) ?? -1, -1), count - 1)
            var index = upper
            while index > lower {
                try append(elements[index], to: &nodes)
                let (next, isPast) = index.addingReportingOverflow(step)
                if isPast { break }
                index = next
            }
        }
    }

    private func children(_ node: Int) -> [Int] {
        let entry = tape.entries[node]
        var result: [Int] = []
        let isObject = entry.kind == .object
        guard isObject || entry.kind == .array else { return result }
        var cursor = node + 1
        while cursor < Int(entry.next) {
            let value = isObject ? cursor + 1 : cursor
            result.append(value)
            cursor = Int(tape.entries[value].next)
        }
        return result
    }

    // MARK: - Filters

    private mutating func holds(_ condition: Logical, _ node: Int) throws(JSONPathError) -> Bool {
        switch condition {
        case .any(let parts):
            for part in parts where try holds(part, node) { return true }
            return false
        case .all(let parts):
            for part in parts where try !holds(part, node) { return false }
            return true
        case .not(let part): return try !holds(part, node)
        case .exists(let query): return try !nodes(of: query, current: node).isEmpty
        case .compare(let left, let comparison, let right):
            return compare(try value(left, node), comparison, try value(right, node))
        case .matches(let subject, let expression, let isWhole):
            guard let text = string(try value(subject, node)),
                let regexp = try compiled(expression, node)
            else { return false }
            visits += text.count
            try visit()
            return regexp.matches(text, isWhole: isWhole)
        }
    }

    private mutating func compiled(
        _ expression: RegularExpression, _ node: Int
    ) throws(JSONPathError) -> IRegexp? {
        switch expression {
        case .fixed(let regexp): return regexp
        case .computed(let operand): return string(try value(operand, node)).flatMap { try? IRegexp($0) }
        }
    }

    private mutating func value(_ operand: Operand, _ node: Int) throws(JSONPathError) -> Value {
        switch operand {
        case .literal(let literal): return .literal(literal)
        case .query(let query), .value(let query):
            let found = try nodes(of: query, current: node)
            return found.count == 1 ? .node(found[0]) : .nothing
        case .count(let query): return .literal(.number(Decimal(try nodes(of: query, current: node).count)))
        case .length(let inner):
            let value = try value(inner, node)
            if let text = string(value) {
                return .literal(.number(Decimal(text.count { $0 & 0xC0 != 0x80 })))
            }
            guard case .node(let index) = value else { return .nothing }
            switch tape.entries[index].kind {
            case .object, .array: return .literal(.number(Decimal(children(index).count)))
            default: return .nothing
            }
        }
    }

    // MARK: - Comparison

    private func compare(_ left: Value, _ comparison: Comparison, _ right: Value) -> Bool {
        switch comparison {
        case .equal: areEqual(left, right)
        case .notEqual: !areEqual(left, right)
        case .less: isLess(left, right)
        case .lessOrEqual: isLess(left, right) || areEqual(left, right)
        case .greater: isLess(right, left)
        case .greaterOrEqual: isLess(right, left) || areEqual(left, right)
        }
    }

    private func areEqual(_ left: Value, _ right: Value) -> Bool {
        if let one = string(left) { return string(right) == one }
        if let one = number(left) { return number(right) == one }
        switch (left, right) {
        case (.nothing, .nothing): return true
        case (.nothing, _), (_, .nothing): return false
        case (.node(let one), .node(let other)): return areEqual(one, other)
        default: return kind(left) == kind(right)
        }
    }

    private func isLess(_ left: Value, _ right: Value) -> Bool {
        if let one = string(left), let other = string(right) { return one.lexicographicallyPrecedes(other) }
        if let one = number(left), let other = number(right) { return one < other }
        return false
    }

    /// Deep equality of two values of the document.
    private func areEqual(_ left: Int, _ right: Int) -> Bool {
        let entry = tape.entries[left]
        guard entry.kind == tape.entries[right].kind else { return false }
        switch entry.kind {
        case .object:
            let others = members(right)
            let ones = members(left)
            return ones.count == others.count
                && ones.allSatisfy { name, value in others[name].map { areEqual(value, $0) } ?? false }
        case .array:
            let ones = children(left)
            let others = children(right)
            return ones.count == others.count && zip(ones, others).allSatisfy { areEqual($0, $1) }
        default: return areEqual(.node(left), .node(right), isScalar: true)
        }
    }

    private func areEqual(_ left: Value, _ right: Value, isScalar: Bool) -> Bool {
        if let one = string(left) { return string(right) == one }
        if let one = number(left) { return number(right) == one }
        return kind(left) == kind(right)
    }

    private func members(_ object: Int) -> [[UInt8]: Int] {
        var result: [[UInt8]: Int] = [:]
        for value in children(object) {
            result[tape.withString(tape.entries[value - 1]) { Array($0) }] = value
        }
        return result
    }

    private func kind(_ value: Value) -> JSONKind? {
        switch value {
        case .nothing: nil
        case .node(let index): tape.entries[index].kind
        case .literal(.null): .null
        case .literal(.true): .true
        case .literal(.false): .false
        case .literal(.number): .number
        case .literal(.string): .string
        }
    }

    private func string(_ value: Value) -> [UInt8]? {
        switch value {
        case .literal(.string(let text)): return text
        case .node(let index):
            let entry = tape.entries[index]
            return entry.kind == .string ? tape.withString(entry) { Array($0) } : nil
        default: return nil
        }
    }

    private func number(_ value: Value) -> Decimal? {
        switch value {
        case .literal(.number(let number)): return number
        case .node(let index):
            let entry = tape.entries[index]
            return entry.kind == .number ? Decimal(tape.text(entry)) : nil
        default: return nil
        }
    }
}
