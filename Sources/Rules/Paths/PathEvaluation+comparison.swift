import JSON

/// Comparisons of a filter (RFC 9535 §2.3.5.2.2).
extension PathEvaluation {
    mutating func compare(
        _ left: Value, _ comparison: Comparison, _ right: Value
    ) throws(JSONPathError) -> Bool {
        switch comparison {
        case .equal: return try areEqual(left, right)
        case .notEqual: return try !areEqual(left, right)
        case .less: return try isLess(left, right)
        case .lessOrEqual:
            if try isLess(left, right) { return true }
            return try areEqual(left, right)
        case .greater: return try isLess(right, left)
        case .greaterOrEqual:
            if try isLess(right, left) { return true }
            return try areEqual(left, right)
        }
    }

    private mutating func isLess(_ left: Value, _ right: Value) throws(JSONPathError) -> Bool {
        if let one = try string(left), let other = try string(right) {
            return one.lexicographicallyPrecedes(other)
        }
        if let one = try number(left), let other = try number(right) { return one < other }
        return false
    }

    /// Deep equality: numbers by value, members in any order.
    private mutating func areEqual(_ left: Value, _ right: Value) throws(JSONPathError) -> Bool {
        if let one = try string(left) { return try string(right) == one }
        if let one = try number(left) { return try number(right) == one }
        guard case .node(let one) = left, case .node(let other) = right else {
            return kind(left) == kind(right)
        }
        guard tape.entries[one].kind == tape.entries[other].kind else { return false }
        switch tape.entries[one].kind {
        case .object:
            let others = try members(other)
            let ones = try members(one)
            guard ones.count == others.count else { return false }
            for (name, value) in ones {
                guard let match = others[name], try areEqual(.node(value), .node(match)) else { return false }
            }
            return true
        case .array:
            let ones = try children(one)
            let others = try children(other)
            guard ones.count == others.count else { return false }
            for (value, match) in zip(ones, others) {
                guard try areEqual(.node(value), .node(match)) else { return false }
            }
            return true
        default: return true
        }
    }

    private mutating func members(_ object: Int) throws(JSONPathError) -> [[UInt8]: Int] {
        var result: [[UInt8]: Int] = [:]
        for value in try children(object) {
            let name = tape.entries[value - 1]
            try budget.spend(steps(toRead: name))
            result[tape.withString(name) { Array($0) }] = value
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

    mutating func string(_ value: Value) throws(JSONPathError) -> [UInt8]? {
        switch value {
        case .literal(.string(let text)): return text
        case .node(let index):
            let entry = tape.entries[index]
            guard entry.kind == .string else { return nil }
            try budget.spend(steps(toRead: entry))
            return tape.withString(entry) { Array($0) }
        default: return nil
        }
    }

    private mutating func number(_ value: Value) throws(JSONPathError) -> Decimal? {
        switch value {
        case .literal(.number(let number)): return number
        case .node(let index):
            let entry = tape.entries[index]
            guard entry.kind == .number else { return nil }
            try budget.spend(steps(toRead: entry))
            return Decimal(tape.text(entry))
        default: return nil
        }
    }
}
