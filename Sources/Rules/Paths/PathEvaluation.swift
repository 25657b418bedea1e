import JSON

/// One run of a query over one document.
struct PathEvaluation {
    let tape: TapeView
    let root: Int
    var budget = StepBudget()
    /// Regular expressions that came from the document, nil where a text is none.
    private var compiled: [[UInt8]: IRegexp?] = [:]

    init(tape: TapeView, root: Int) {
        self.tape = tape
        self.root = root
    }

    /// What an operand yields.
    enum Value {
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

    private func append(_ node: Int, to nodes: inout [Int]) throws(JSONPathError) {
        guard nodes.count < JSONPath.nodesMax else { throw JSONPathError() }
        nodes.append(node)
    }

    /// The node itself first, then its children, each with what lies below it.
    private mutating func descend(
        _ node: Int, _ selectors: [Selector], into nodes: inout [Int]
    ) throws(JSONPathError) {
        try select(node, selectors, into: &nodes)
        for child in try children(node) { try descend(child, selectors, into: &nodes) }
    }

    private mutating func select(
        _ node: Int, _ selectors: [Selector], into nodes: inout [Int]
    ) throws(JSONPathError) {
        for selector in selectors {
            try budget.spend()
            switch selector {
            case .name(let name):
                if let member = try member(name, of: node) { try append(member, to: &nodes) }
            case .wildcard:
                for child in try children(node) { try append(child, to: &nodes) }
            case .index(let index):
                guard tape.entries[node].kind == .array else { continue }
                let elements = try children(node)
                let place = index < 0 ? elements.count + index : index
                if elements.indices.contains(place) { try append(elements[place], to: &nodes) }
            case .slice(let start, let end, let step):
                guard tape.entries[node].kind == .array else { continue }
                try slice(try children(node), start, end, step, into: &nodes)
            case .filter(let condition):
                for child in try children(node) where try holds(condition, child) {
                    try append(child, to: &nodes)
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

    mutating func children(_ node: Int) throws(JSONPathError) -> [Int] {
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
        try budget.spend(result.count)
        return result
    }

    /// The member of that name, the last one where the text repeats it.
    private mutating func member(_ name: [UInt8], of node: Int) throws(JSONPathError) -> Int? {
        let entry = tape.entries[node]
        guard entry.kind == .object else { return nil }
        var found: Int?
        var cursor = node + 1
        while cursor < Int(entry.next) {
            let candidate = tape.entries[cursor]
            try budget.spend(candidate.isEscaped ? steps(toRead: candidate) : 1)
            if tape.isString(candidate, name) { found = cursor + 1 }
            cursor = Int(tape.entries[cursor + 1].next)
        }
        return found
    }

    /// A text's bytes are cheap against the other steps, but they may be many.
    func steps(toRead entry: TapeEntry) -> Int { 1 + Int(entry.end - entry.start) / 16 }

    // MARK: - Filters

    private mutating func holds(_ condition: Logical, _ node: Int) throws(JSONPathError) -> Bool {
        try budget.spend()
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
            return try compare(try value(left, node), comparison, try value(right, node))
        case .matches(let subject, let expression, let isWhole):
            guard let text = try string(try value(subject, node)),
                let regexp = try regexp(expression, node)
            else { return false }
            return try regexp.matches(text, isWhole: isWhole, &budget)
        }
    }

    private mutating func regexp(
        _ expression: RegularExpression, _ node: Int
    ) throws(JSONPathError) -> IRegexp? {
        switch expression {
        case .fixed(let regexp): return regexp
        case .computed(let operand):
            guard let text = try string(try value(operand, node)) else { return nil }
            if let known = compiled[text] { return known }
            let regexp = try compile(text)
            compiled[text] = .some(regexp)
            return regexp
        }
    }

    /// Compiles an expression of the document; nil where the text is none, which matches nothing.
    private mutating func compile(_ text: [UInt8]) throws(JSONPathError) -> IRegexp? {
        try budget.spend(text.count)
        let regexp: IRegexp
        do throws(IRegexp.Mistake) {
            regexp = try IRegexp(text)
        } catch {
            guard error == .syntax else { throw JSONPathError() }
            return nil
        }
        // A state takes memory as well, for as long as the query runs.
        try budget.spend(regexp.states.count * 8)
        return regexp
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
            if let text = try string(value) {
                return .literal(.number(Decimal(text.count { $0 & 0xC0 != 0x80 })))
            }
            guard case .node(let index) = value else { return .nothing }
            switch tape.entries[index].kind {
            case .object, .array: return .literal(.number(Decimal(try children(index).count)))
            default: return .nothing
            }
        }
    }
}
