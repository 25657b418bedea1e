public import Config
import Crypto

/// Several secrets that a presented value is compared with, in a time that tells nothing about them.
///
/// What is compared are HMAC-SHA-256 digests under a random key of this process: 32 bytes each, whatever the
/// lengths, always all bytes of all digests. The time of the HMAC itself depends on the presented value
/// alone, which its sender knows.
public struct SecretDigests: Sendable {
    /// Has taken in the key, which is most of a digest's work.
    private let keyed = HMAC<SHA256>(key: SymmetricKey(size: .bits256))
    private let digests: [[UInt8]]
    /// Parallel to `digests`; an empty secret holds its place, so that indexes stay the config file's.
    private let isUsable: [Bool]

    /// HTTP drops spaces and tabs around a header's value (RFC 9110 §5.5), so a secret loses them too; one
    /// that is empty then matches nothing.
    public init(_ secrets: [Secret]) {
        let texts = secrets.map { Self.trimmed(Array($0.revealed.utf8)) }
        let keyed = self.keyed
        digests = texts.map { Self.digest($0, keyed) }
        isUsable = texts.map { !$0.isEmpty }
    }

    /// The index of the secret that the value is equal to, byte for byte; nil where there is none.
    public func match(_ presented: some Sequence<UInt8>) -> Int? {
        let digest = Self.digest(Array(presented), keyed)
        var matched = -1
        for (index, candidate) in digests.enumerated() {
            var difference: UInt8 = isUsable[index] ? 0 : 1
            for position in 0..<SHA256.byteCount { difference |= digest[position] ^ candidate[position] }
            // All ones where nothing differs, all zeros otherwise: a choice without a branch.
            let isEqual = ((Int(difference) &- 1) >> 8) & 1
            matched = (matched & (isEqual &- 1)) | (index & (0 &- isEqual))
        }
        return matched < 0 ? nil : matched
    }

    private static func digest(_ bytes: [UInt8], _ keyed: HMAC<SHA256>) -> [UInt8] {
        var code = keyed
        code.update(data: bytes)
        return Array(code.finalize())
    }

    private static func trimmed(_ bytes: [UInt8]) -> [UInt8] {
        let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
        return Array(bytes.drop(while: isBlank).reversed().drop(while: isBlank).reversed())
    }
}
