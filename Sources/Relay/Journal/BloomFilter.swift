/// A set of digests that may say yes by mistake, and never no: 12 bits a digest, about one mistake in 300.
struct BloomFilter: Sendable {
    private static let bitsPerDigest = 12
    private static let probes = 8

    private(set) var words: [UInt64]

    /// For how many digests it was made, about.
    var capacity: Int { words.count * 64 / Self.bitsPerDigest }

    init(capacity: Int) {
        words = Array(repeating: 0, count: max(1, capacity * Self.bitsPerDigest / 64))
    }

    /// From the bytes of ``bytes``.
    init(bytes: [UInt8]) {
        words = stride(from: 0, to: bytes.count - bytes.count % 8, by: 8).map { start in
            bytes[start..<(start + 8)].reduce(0) { $0 << 8 | UInt64($1) }
        }
        if words.isEmpty { words = [0] }
    }

    var bytes: [UInt8] {
        words.flatMap { word in withUnsafeBytes(of: word.bigEndian, Array.init) }
    }

    mutating func insert(_ digest: EventDigest) {
        for bit in bits(of: digest) { words[bit >> 6] |= 1 << UInt64(bit & 63) }
    }

    func mayContain(_ digest: EventDigest) -> Bool {
        bits(of: digest).allSatisfy { words[$0 >> 6] & (1 << UInt64($0 & 63)) != 0 }
    }

    /// Two independent halves of the digest make as many probes as one likes (Kirsch and Mitzenmacher, 2006).
    private func bits(of digest: EventDigest) -> some Sequence<Int> {
        let count = UInt64(words.count * 64)
        return (0..<UInt64(Self.probes)).lazy.map { Int((digest.high &+ $0 &* (digest.low | 1)) % count) }
    }
}
