import JSON

/// Equality of JSON values by what they mean: numbers by value, objects in any order of members.
enum JSONEquality {
    static func areEqual(_ left: JSONValue, _ right: JSONValue) -> Bool {
        guard left.kind == right.kind else { return false }
        switch left.kind {
        case .null, .true, .false: return true
        case .number: return areEqualNumbers(left, right)
        case .string: return left.utf8 == right.utf8
        case .array:
            var others = right.elements.makeIterator()
            for element in left.elements {
                guard let other = others.next(), areEqual(element, other) else { return false }
            }
            return others.next() == nil
        case .object:
            let one = members(left)
            let other = members(right)
            return one.count == other.count
                && one.allSatisfy { name, value in other[name].map { areEqual(value, $0) } ?? false }
        }
    }

    private static func areEqualNumbers(_ left: JSONValue, _ right: JSONValue) -> Bool {
        left.raw == right.raw
            || left.raw.withUnsafeBufferPointer { Decimal($0) }
                == right.raw.withUnsafeBufferPointer { Decimal($0) }
    }

    /// By name; of a repeated name the last one counts.
    private static func members(_ object: JSONValue) -> [[UInt8]: JSONValue] {
        var result: [[UInt8]: JSONValue] = [:]
        for (name, value) in object.members { result[Array(name.utf8 ?? [])] = value }
        return result
    }
}
