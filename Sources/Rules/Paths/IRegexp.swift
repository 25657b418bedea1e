/// A regular expression of RFC 9485 (I-Regexp), matched in time linear in the text.
///
/// Compiled to a nondeterministic automaton whose states are followed all at once, so that no expression
/// and no text can make it backtrack.
struct IRegexp: Sendable {
    /// Counted repetitions are written out; an expression that grows past this many states is refused.
    static let statesMax = 10_000

    enum State: Sendable {
        case consume(CharacterSet)
        /// Goes on in both places without reading.
        case split(Int, Int)
        case jump(Int)
        /// Goes on only before the first, or behind the last character. I-Regexp has no anchors, but the
        /// suites of RFC 9535 take them for what they are everywhere else.
        case start, end
        case accept
    }

    let states: [State]

    init(_ text: [UInt8]) throws(Mistake) {
        var parser = IRegexpParser(Array(String(decoding: text, as: UTF8.self).unicodeScalars))
        let tree = try parser.parse()
        var builder = IRegexpBuilder()
        try builder.emit(tree)
        try builder.append(.accept)
        states = builder.states
    }

    enum Mistake: Error {
        case syntax, tooLarge
    }

    /// Whether the whole text, or any part of it, matches.
    func matches(_ text: [UInt8], isWhole: Bool) -> Bool {
        let scalars = Array(String(decoding: text, as: UTF8.self).unicodeScalars)
        var current = ActiveStates(count: states.count)
        var next = ActiveStates(count: states.count)
        for position in 0...scalars.count {
            if position == 0 || !isWhole { activate(0, in: &current, at: position, of: scalars.count) }
            if current.hasAccepted, !isWhole || position == scalars.count { return true }
            guard position < scalars.count else { return false }
            next.removeAll()
            for index in current.list {
                if case .consume(let set) = states[index], set.contains(scalars[position]) {
                    activate(index + 1, in: &next, at: position + 1, of: scalars.count)
                }
            }
            swap(&current, &next)
            if isWhole, current.list.isEmpty { return false }
        }
        return false
    }

    /// Adds a state and all that it reaches without reading.
    private func activate(_ start: Int, in active: inout ActiveStates, at position: Int, of count: Int) {
        var open = [start]
        while let index = open.popLast() {
            guard active.insert(index) else { continue }
            switch states[index] {
            case .jump(let target): open.append(target)
            case .split(let one, let other): open += [other, one]
            case .start: if position == 0 { open.append(index + 1) }
            case .end: if position == count { open.append(index + 1) }
            case .accept: active.hasAccepted = true
            case .consume: continue
            }
        }
    }

    private struct ActiveStates {
        var list: [Int] = []
        var hasAccepted = false
        private var isActive: [Bool]

        init(count: Int) { isActive = Array(repeating: false, count: count) }

        mutating func insert(_ index: Int) -> Bool {
            guard !isActive[index] else { return false }
            isActive[index] = true
            list.append(index)
            return true
        }

        mutating func removeAll() {
            for index in list { isActive[index] = false }
            list.removeAll(keepingCapacity: true)
            hasAccepted = false
        }
    }
}

/// An expression as it was read.
indirect enum IRegexpTree {
    case set(CharacterSet)
    case start, end
    case sequence([IRegexpTree])
    case choice([IRegexpTree])
    /// At least so often; at most so often where there is a limit.
    case repetition(IRegexpTree, Int, Int?)
}

/// Which characters a place of an expression takes.
struct CharacterSet: Sendable {
    enum Member: Sendable {
        case range(ClosedRange<UInt32>)
        /// `\p{Lu}`, `\p{L}`; negated for `\P`.
        case category(String, isNegated: Bool)
    }

    var members: [Member]
    var isNegated = false

    func contains(_ scalar: Unicode.Scalar) -> Bool {
        members.contains { member in
            switch member {
            case .range(let range): range.contains(scalar.value)
            case .category(let name, let isNegated): Self.category(of: scalar).hasPrefix(name) != isNegated
            }
        } != isNegated
    }

    /// The two letters by which Unicode names a general category.
    static func category(of scalar: Unicode.Scalar) -> String {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter: "Lu"
        case .lowercaseLetter: "Ll"
        case .titlecaseLetter: "Lt"
        case .modifierLetter: "Lm"
        case .otherLetter: "Lo"
        case .nonspacingMark: "Mn"
        case .spacingMark: "Mc"
        case .enclosingMark: "Me"
        case .decimalNumber: "Nd"
        case .letterNumber: "Nl"
        case .otherNumber: "No"
        case .connectorPunctuation: "Pc"
        case .dashPunctuation: "Pd"
        case .openPunctuation: "Ps"
        case .closePunctuation: "Pe"
        case .initialPunctuation: "Pi"
        case .finalPunctuation: "Pf"
        case .otherPunctuation: "Po"
        case .mathSymbol: "Sm"
        case .currencySymbol: "Sc"
        case .modifierSymbol: "Sk"
        case .otherSymbol: "So"
        case .spaceSeparator: "Zs"
        case .lineSeparator: "Zl"
        case .paragraphSeparator: "Zp"
        case .control: "Cc"
        case .format: "Cf"
        case .surrogate: "Cs"
        case .privateUse: "Co"
        case .unassigned: "Cn"
        @unknown default: "Cn"
        }
    }
}

/// Writes an expression out as states.
struct IRegexpBuilder {
    private(set) var states: [IRegexp.State] = []

    mutating func append(_ state: IRegexp.State) throws(IRegexp.Mistake) {
        guard states.count < IRegexp.statesMax else { throw .tooLarge }
        states.append(state)
    }

    mutating func emit(_ tree: IRegexpTree) throws(IRegexp.Mistake) {
        switch tree {
        case .set(let set): try append(.consume(set))
        case .start: try append(.start)
        case .end: try append(.end)
        case .sequence(let parts): for part in parts { try emit(part) }
        case .choice(let parts):
            var ends: [Int] = []
            for (index, part) in parts.enumerated() {
                let split = states.count
                if index < parts.count - 1 { try append(.jump(0)) }
                try emit(part)
                guard index < parts.count - 1 else { continue }
                ends.append(states.count)
                try append(.jump(0))
                states[split] = .split(split + 1, states.count)
            }
            for end in ends { states[end] = .jump(states.count) }
        case .repetition(let inner, let least, let most):
            for _ in 0..<least {
                let before = states.count
                try emit(inner)
                // What is empty once is empty however often, and would otherwise cost the count for nothing.
                if states.count == before { break }
            }
            guard let most else {
                let split = states.count
                try append(.jump(0))
                try emit(inner)
                try append(.jump(split))
                states[split] = .split(split + 1, states.count)
                return
            }
            var splits: [Int] = []
            for _ in least..<max(most, least) {
                splits.append(states.count)
                try append(.jump(0))
                try emit(inner)
            }
            for split in splits { states[split] = .split(split + 1, states.count) }
        }
    }
}
