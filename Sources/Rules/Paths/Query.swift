/// The parts of a JSONPath query, as RFC 9535 names them.
struct Query: Sendable {
    /// `$`, the whole document; otherwise `@`, the node that a filter looks at.
    let isAbsolute: Bool
    let segments: [Segment]

    /// Whether it can only ever select one node or none (RFC 9535 §2.3.5.1).
    var isSingular: Bool {
        segments.allSatisfy { segment in
            guard !segment.isDescendant, segment.selectors.count == 1 else { return false }
            switch segment.selectors[0] {
            case .name, .index: return true
            default: return false
            }
        }
    }

    /// The names of an absolute query that does nothing but look members up; nil for any other.
    var memberNames: [[UInt8]]? {
        guard isAbsolute else { return nil }
        var names: [[UInt8]] = []
        for segment in segments {
            guard !segment.isDescendant, segment.selectors.count == 1,
                case .name(let name) = segment.selectors[0]
            else { return nil }
            names.append(name)
        }
        return names
    }
}

struct Segment: Sendable {
    /// `..`: the selectors apply to every value below as well.
    let isDescendant: Bool
    let selectors: [Selector]
}

enum Selector: Sendable {
    case name([UInt8])
    case wildcard
    case index(Int)
    case slice(start: Int?, end: Int?, step: Int)
    case filter(Logical)
}

/// A filter's condition.
indirect enum Logical: Sendable {
    case any([Logical])
    case all([Logical])
    case not(Logical)
    case exists(Query)
    case compare(Operand, Comparison, Operand)
    case matches(Operand, RegularExpression, isWhole: Bool)
}

enum Comparison: Sendable { case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual }

/// What yields one value, or nothing, inside a filter.
indirect enum Operand: Sendable {
    case literal(PathLiteral)
    /// A singular query.
    case query(Query)
    case length(Operand)
    case count(Query)
    case value(Query)
}

/// A value that is written in a query.
enum PathLiteral: Sendable {
    case null, `true`, `false`
    case number(Decimal)
    case string([UInt8])
}

/// The second argument of `match` and `search`.
indirect enum RegularExpression: Sendable {
    /// Written in the query, so compiled once; nil where it is no I-Regexp, which matches nothing.
    case fixed(IRegexp?)
    case computed(Operand)
}
