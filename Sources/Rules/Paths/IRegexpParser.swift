/// Reads the grammar of RFC 9485 §3.
struct IRegexpParser {
    private let text: [Unicode.Scalar]
    private var position = 0
    private var depth = 0
    private static let depthMax = 100

    init(_ text: [Unicode.Scalar]) { self.text = text }

    mutating func parse() throws(IRegexp.Mistake) -> IRegexpTree {
        let tree = try choice()
        guard position == text.count else { throw .syntax }
        return tree
    }

    private var next: Unicode.Scalar? { position < text.count ? text[position] : nil }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard next == scalar else { return false }
        position += 1
        return true
    }

    private mutating func choice() throws(IRegexp.Mistake) -> IRegexpTree {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthMax else { throw .tooDeep }
        var branches = [try branch()]
        while take("|") { branches.append(try branch()) }
        return branches.count == 1 ? branches[0] : .choice(branches)
    }

    private mutating func branch() throws(IRegexp.Mistake) -> IRegexpTree {
        var parts: [IRegexpTree] = []
        while let scalar = next, scalar != "|", scalar != ")" {
            let atom = try atom()
            parts.append(try quantified(atom))
        }
        return parts.count == 1 ? parts[0] : .sequence(parts)
    }

    private mutating func quantified(_ atom: IRegexpTree) throws(IRegexp.Mistake) -> IRegexpTree {
        if take("*") { return .repetition(atom, 0, nil) }
        if take("+") { return .repetition(atom, 1, nil) }
        if take("?") { return .repetition(atom, 0, 1) }
        guard take("{") else { return atom }
        guard let least = try number() else { throw .syntax }
        var most: Int? = least
        if take(",") { most = try number() }
        guard take("}"), most.map({ $0 >= least }) ?? true else { throw .syntax }
        return .repetition(atom, least, most)
    }

    private mutating func number() throws(IRegexp.Mistake) -> Int? {
        var value: Int?
        while let scalar = next, ("0"..."9").contains(scalar) {
            position += 1
            value = (value ?? 0) * 10 + Int(scalar.value - 0x30)
            guard value ?? 0 <= IRegexp.statesMax else { throw .tooManyStates }
        }
        return value
    }

    private mutating func atom() throws(IRegexp.Mistake) -> IRegexpTree {
        guard let scalar = next else { throw .syntax }
        position += 1
        switch scalar {
        case "(":
            let inner = try choice()
            guard take(")") else { throw .syntax }
            return inner
        case ".":
            // Any character but a line's end (RFC 9485 §5.3).
            return .set(CharacterSet(members: [.range(0x0A...0x0A), .range(0x0D...0x0D)], isNegated: true))
        case "[": return .set(try characterClass())
        case "\\": return .set(CharacterSet(members: [try escape()]))
        case "^": return .start
        case "$": return .end
        case "*", "+", "?", "{", "}", "]", ")", "|": throw .syntax
        default: return .set(CharacterSet(members: [.range(scalar.value...scalar.value)]))
        }
    }

    /// Behind a backslash: a category, or one character.
    private mutating func escape() throws(IRegexp.Mistake) -> CharacterSet.Member {
        guard let scalar = next else { throw .syntax }
        position += 1
        switch scalar {
        case "n": return .range(0x0A...0x0A)
        case "r": return .range(0x0D...0x0D)
        case "t": return .range(0x09...0x09)
        case "p", "P": return try category(isNegated: scalar == "P")
        case "(", ")", "*", "+", "-", ".", "?", "[", "\\", "]", "^", "{", "|", "}", "$":
            return .range(scalar.value...scalar.value)
        default: throw .syntax
        }
    }

    private mutating func category(isNegated: Bool) throws(IRegexp.Mistake) -> CharacterSet.Member {
        guard take("{") else { throw .syntax }
        var name = ""
        while let scalar = next, scalar != "}", name.unicodeScalars.count < 3 {
            name.unicodeScalars.append(scalar)
            position += 1
        }
        guard take("}"), Self.categories.contains(name) else { throw .syntax }
        return .category(name, isNegated: isNegated)
    }

    private static let categories: Set<String> = [
        "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd", "Nl", "No", "P", "Pc", "Pd",
        "Pe",
        "Pf", "Pi", "Po", "Ps", "Z", "Zl", "Zp", "Zs", "S", "Sc", "Sk", "Sm", "So", "C", "Cc", "Cf", "Cn",
        "Co",
    ]

    private mutating func characterClass() throws(IRegexp.Mistake) -> CharacterSet {
        let isNegated = take("^")
        var members: [CharacterSet.Member] = []
        if take("-") { members.append(.range(0x2D...0x2D)) }
        while !take("]") {
            if take("-") {
                // A dash stands for itself only at either end.
                guard next == "]" else { throw .syntax }
                members.append(.range(0x2D...0x2D))
                continue
            }
            let low = try classMember()
            guard case .range(let first) = low, position + 1 < text.count, next == "-",
                text[position + 1] != "]"
            else {
                members.append(low)
                continue
            }
            position += 1
            guard case .range(let last) = try classMember(), first.lowerBound <= last.upperBound else {
                throw .syntax
            }
            members.append(.range(first.lowerBound...last.upperBound))
        }
        guard !members.isEmpty else { throw .syntax }
        return CharacterSet(members: members, isNegated: isNegated)
    }

    private mutating func classMember() throws(IRegexp.Mistake) -> CharacterSet.Member {
        guard let scalar = next else { throw .syntax }
        position += 1
        switch scalar {
        case "\\": return try escape()
        case "[", "]", "-": throw .syntax
        default: return .range(scalar.value...scalar.value)
        }
    }
}
