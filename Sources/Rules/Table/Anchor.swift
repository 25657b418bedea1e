import JSON

/// A literal without which a condition cannot hold: what the index looks up instead of trying every rule.
struct Anchor: Hashable {
    enum Kind: UInt8 {
        case exact, prefix, suffix, gram, foldedExact, foldedPrefix, foldedSuffix, number, literal, block
        /// No value at all: the only anchor that is not in the event.
        case absence
    }

    let kind: Kind
    let field: Int
    /// Bytes of the literal's text; for an address block its bits.
    let length: Int
    let hash: UInt64

    /// The key in the index.
    var key: UInt64 { AnchorHash.key(kind, field: field, length: length, hash) }

    init(_ kind: Kind, field: Int, text: [UInt8]) {
        self.kind = kind
        self.field = field
        let text =
            switch kind {
            case .prefix, .foldedPrefix: Array(text.prefix(AnchorHash.affixMax))
            case .suffix, .foldedSuffix: Array(text.suffix(AnchorHash.affixMax))
            default: text
            }
        length = text.count
        hash = AnchorHash.hash(text)
    }

    init(_ kind: Kind, field: Int, length: Int = 0, value: UInt64) {
        self.kind = kind
        self.field = field
        self.length = length
        hash = value
    }

    /// How many events will have it besides those that are meant, as a guess, in units of one rule to verify.
    var commonness: Int {
        switch kind {
        case .literal: 500
        // Most fields that a rule can name are missing from most events.
        case .absence: 1_000
        // A short prefix holds much of the net.
        case .block: length & 255 < 8 ? 500 : 4
        case .number: 2
        case .exact, .foldedExact: 1
        case .prefix, .suffix, .foldedPrefix, .foldedSuffix: length < 3 ? 50 : 2
        case .gram: length < 4 ? 50 : 4
        }
    }
}

extension Condition {
    /// That the field is missing, where that is enough.
    func absence(field: Int) -> Anchor? { allowsMissing ? Anchor(.absence, field: field, value: 0) : nil }
}

extension Matcher {
    /// The literals of which any one can serve as the anchor; empty where any value of the field may match.
    func anchors(field: Int) -> [Anchor] {
        switch self {
        case .string(let text): return [Anchor(.exact, field: field, text: text)]
        case .number(let number):
            return [
                number.exact.map { Self.number($0, field) } ?? Anchor(.exact, field: field, text: number.text)
            ]
        case .numeric(let range) where range.lower == range.upper: return [Self.number(range.lower, field)]
        case .literal(let kind): return [Anchor(.literal, field: field, value: UInt64(kind.rawValue))]
        case .prefix(let text) where !text.isEmpty: return [Anchor(.prefix, field: field, text: text)]
        case .suffix(let text) where !text.isEmpty: return [Anchor(.suffix, field: field, text: text)]
        case .equalsIgnoringCase(let text): return [Anchor(.foldedExact, field: field, text: text)]
        case .prefixIgnoringCase(let text) where !text.isEmpty:
            return [Anchor(.foldedPrefix, field: field, text: text)]
        case .suffixIgnoringCase(let text) where !text.isEmpty:
            return [Anchor(.foldedSuffix, field: field, text: text)]
        case .wildcard(let wildcard): return wildcard.anchors(field: field)
        case .cidr(let block): return [Self.block(block.base, block.bits, field)]
        default: return []
        }
    }

    static func number(_ value: Double, _ field: Int) -> Anchor {
        // Minus zero and zero are one number.
        Anchor(.number, field: field, value: (value == 0 ? 0 : value).bitPattern)
    }

    /// The block of so many leading bits that an address lies in; IPv4 and IPv6 differ by the length.
    static func block(_ address: IPAddress, _ bits: Int, _ field: Int) -> Anchor {
        let leading = bits == 0 ? 0 : address.value >> UInt128(address.bitCount - bits)
        let value = UInt64(truncatingIfNeeded: leading) ^ UInt64(truncatingIfNeeded: leading >> 64) &* 31
        return Anchor(.block, field: field, length: blockLength(address.bitCount, bits), value: value)
    }

    static func blockLength(_ bitCount: Int, _ bits: Int) -> Int { bitCount == 32 ? bits : 256 + bits }
}

extension Wildcard {
    func anchors(field: Int) -> [Anchor] {
        guard pieces.count > 1 else { return [Anchor(.exact, field: field, text: pieces[0])] }
        var result: [Anchor] = []
        if let head = pieces.first, !head.isEmpty { result.append(Anchor(.prefix, field: field, text: head)) }
        if let tail = pieces.last, !tail.isEmpty { result.append(Anchor(.suffix, field: field, text: tail)) }
        for piece in pieces.dropFirst().dropLast() where !piece.isEmpty {
            let size = min(piece.count, AnchorHash.gramMax)
            for start in 0...(piece.count - size) {
                result.append(Anchor(.gram, field: field, text: Array(piece[start..<(start + size)])))
            }
        }
        return result
    }
}
