import Crypto
import Relay

/// The key under which a destination may recognise a request that it has had before.
///
/// It is the same for every attempt of one delivery, and another one for another event, sink, replay or
/// mapping: a destination that remembers keys refuses the same key with another content (422 in
/// draft-ietf-httpapi-idempotency-key-header).
enum IdempotencyKey {
    /// 43 characters of base64url: SHA-256 over the parts, each with its length before it.
    static func make(event: Event, sink: String, replay: String?, mapping: [UInt8]) -> String {
        let parts = [event.org, event.id, sink].map { Array($0.utf8) }
        return base64URL(digest(of: parts + [replay.map { [1] + Array($0.utf8) } ?? [0], mapping]))
    }

    static func digest(of parts: [[UInt8]]) -> [UInt8] {
        var hash = SHA256()
        for part in parts {
            withUnsafeBytes(of: UInt64(part.count).bigEndian) { hash.update(bufferPointer: $0) }
            part.withUnsafeBytes { hash.update(bufferPointer: $0) }
        }
        return Array(hash.finalize())
    }

    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    /// RFC 4648 section 5, without padding.
    static func base64URL(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count * 4 + 2) / 3)
        var bits = 0
        var buffer = 0
        for byte in bytes {
            buffer = buffer << 8 | Int(byte)
            bits += 8
            while bits >= 6 {
                bits -= 6
                text.append(alphabet[buffer >> bits & 0x3F])
            }
            buffer &= 0xFF
        }
        if bits > 0 { text.append(alphabet[buffer << (6 - bits) & 0x3F]) }
        return String(decoding: text, as: UTF8.self)
    }
}
