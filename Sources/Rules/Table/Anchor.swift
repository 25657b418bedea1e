import JSON

/// A literal without which a condition cannot hold: what the index looks up instead of trying every rule.
struct Anchor: Hashable {
    enum Kind: UInt8 {
        case exact, prefix, suffix, gram, foldedExact, foldedPrefix, foldedSuffix, number, literal, present
    }

    let kind: Kind
    let field: Int
    /// The literal's text; for numbers and literals see ``AnchorHash``.
    let length: Int
    let hash: UInt64

    /// The key in the index.
    var key: UInt64 { AnchorHash.key(kind, field: field, length: length, hash) }

    init(_ kind: Kind, field: Int, text: [UInt8]) {
        self.kind = kind
        self.field = field
        length = text.count
        switch kind {
        case .suffix, .foldedSuffix: hash = text.reversed().reduce(AnchorHash.seed, AnchorHash.next)
        case .gram: hash = text.withUnsafeBufferPointer { AnchorHash.gram($0, at: 0, size: text.count) }
        default: hash = text.reduce(AnchorHash.seed, AnchorHash.next)
        }
    }

    init(_ kind: Kind, field: Int, value: UInt64) {
        self.kind = kind
        self.field = field
        length = 0
        hash = value
    }

    /// How many events will have it besides those that are meant, as a guess, in units of one rule to verify.
    var commonness: Int {
        switch kind {
        case .present: 100_000
        case .literal: 500
        case .number: 2
        case .exact, .foldedExact: 1
        case .prefix, .suffix, .foldedPrefix, .foldedSuffix: length < 3 ? 50 : 2
        case .gram: length < 4 ? 50 : 4
        }
    }
}

/// The hashes of the index.
///
/// A collision only makes a rule be verified in vain.
enum AnchorHash {
    static let seed: UInt64 = 0xCBF2_9CE4_8422_2325
    /// Longest run of characters that is looked up inside a text.
    static let gramMax = 8

    @inline(__always)
    static func next(_ hash: UInt64, _ byte: UInt8) -> UInt64 {
        (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
    }

    @inline(__always)
    static func gram(_ text: UnsafeBufferPointer<UInt8>, at start: Int, size: Int) -> UInt64 {
        var value: UInt64 = 0
        for offset in 0..<size { value = value << 8 | UInt64(text[start + offset]) }
        return value
    }

    @inline(__always)
    static func key(_ kind: Anchor.Kind, field: Int, length: Int, _ hash: UInt64) -> UInt64 {
        let place = UInt64(kind.rawValue) << 56 ^ UInt64(field) << 24 ^ UInt64(length)
        return mix(hash ^ (place &* 0x9E37_79B9_7F4A_7C15))
    }

    @inline(__always)
    static func mix(_ value: UInt64) -> UInt64 {
        var value = value
        value ^= value >> 32
        value = value &* 0xD6E8_FEB8_6659_FD93
        value ^= value >> 32
        // Zero marks a free place of a table.
        return value | 1
    }
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
        default: return []
        }
    }

    static func number(_ value: Double, _ field: Int) -> Anchor {
        // Minus zero and zero are one number.
        Anchor(.number, field: field, value: (value == 0 ? 0 : value).bitPattern)
    }
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
