import Crypto

/// What the journal remembers of an event to know it again: 128 bits of SHA-256 over org and uuid.
///
/// At that length two different events never meet by chance (about 1 in 10^23 for a hundred million), so a
/// match is a duplicate without a look at the event itself, whose bytes may be gone by then.
struct EventDigest: Sendable, Hashable, Comparable {
    static let byteCount = 16

    let high: UInt64
    let low: UInt64

    init(org: String, eventID: String) {
        var hash = SHA256()
        var text = org + "\u{0}" + eventID
        text.withUTF8 { hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }
        (high, low) = hash.finalize().withUnsafeBytes { bytes in
            (
                UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
    }

    /// Reads what ``append(to:)`` wrote; `bytes` has at least ``byteCount`` bytes.
    init(_ bytes: some Collection<UInt8>) {
        var high: UInt64 = 0
        var low: UInt64 = 0
        for byte in bytes.prefix(8) { high = high << 8 | UInt64(byte) }
        for byte in bytes.dropFirst(8).prefix(8) { low = low << 8 | UInt64(byte) }
        self.high = high
        self.low = low
    }

    /// Big-endian, so that the bytes sort as the digests do.
    func append(to bytes: inout [UInt8]) {
        for word in [high, low] {
            withUnsafeBytes(of: word.bigEndian) { bytes.append(contentsOf: $0) }
        }
    }

    static func < (a: EventDigest, b: EventDigest) -> Bool {
        a.high != b.high ? a.high < b.high : a.low < b.low
    }
}
