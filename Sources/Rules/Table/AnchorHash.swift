/// The hashes of the index.
///
/// A collision only makes a rule be verified in vain.
enum AnchorHash {
    /// Longest run of characters that is looked up inside a text.
    static let gramMax = 8
    /// Longest beginning or end of a text that is looked up; what a rule says beyond it is verified.
    static let affixMax = 64
    private static let seed: UInt64 = 0xCBF2_9CE4_8422_2325

    /// Hashes a text by words of eight bytes.
    @inline(__always)
    static func hash(_ text: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
        var hash = seed
        var position = 0
        while count - position >= 8 {
            let word = UnsafeRawPointer(text + position).loadUnaligned(as: UInt64.self)
            hash = fold(hash ^ word)
            position += 8
        }
        if position < count { hash = fold(hash ^ word(text + position, count - position)) }
        return hash
    }

    static func hash(_ text: [UInt8]) -> UInt64 {
        text.withUnsafeBufferPointer { text in text.baseAddress.map { hash($0, text.count) } ?? seed }
    }

    /// One to seven bytes as a number, by reads that may overlap.
    @inline(__always)
    private static func word(_ text: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
        if count >= 4 {
            let head = UnsafeRawPointer(text).loadUnaligned(as: UInt32.self)
            let tail = UnsafeRawPointer(text + count - 4).loadUnaligned(as: UInt32.self)
            return UInt64(head) | UInt64(tail) << 32
        }
        return UInt64(text[0]) | UInt64(text[count >> 1]) << 8 | UInt64(text[count - 1]) << 16
    }

    @inline(__always)
    private static func fold(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return product.high ^ product.low
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
