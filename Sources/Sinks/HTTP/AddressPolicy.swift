import Foundation

/// Which schemes and addresses an outbound request may reach.
///
/// A URL comes from a config file and partly from events, and names resolve to whatever their owner likes; so
/// what is judged is the address that a socket is about to be opened to, after resolution. Addresses that
/// lead to an IPv4 one (mapped, NAT64, 6to4) are judged by that.
public struct AddressPolicy: Sendable, Hashable {
    /// Whether private and link-local addresses may be reached.
    public var allowsPrivate: Bool
    /// Whether `http:` URLs may be called; loopback needs ``allowsPrivate`` and this.
    public var allowsHTTP: Bool

    public init(allowsPrivate: Bool = false, allowsHTTP: Bool = false) {
        self.allowsPrivate = allowsPrivate
        self.allowsHTTP = allowsHTTP
    }

    /// Whether a connection to this address may be opened; `bytes` has 4 (IPv4) or 16 (IPv6), any other
    /// number is refused.
    func permits(_ bytes: [UInt8]) -> Bool {
        guard let kind = AddressKind(bytes) else { return false }
        switch kind {
        case .global: return true
        case .private: return allowsPrivate
        case .loopback: return allowsPrivate && allowsHTTP
        case .unusable: return false
        }
    }

    /// The same for an address in text form, as libcurl reports it.
    func permits(text: String) -> Bool {
        AddressKind.parse(text).map(permits) ?? false
    }
}

/// What an IP address is good for.
enum AddressKind: Sendable, Equatable {
    case global
    /// Private, shared, link-local or benchmark networks, cloud metadata services among them.
    case `private`
    case loopback
    /// "This network", multicast, reserved: nothing a request could mean.
    case unusable

    init?(_ bytes: [UInt8]) {
        switch bytes.count {
        case 4: self = Self.firstMatch(bytes, in: Self.blocks4) ?? .global
        case 16:
            if let embedded = Self.embeddedIPv4(bytes) {
                self = Self.firstMatch(embedded, in: Self.blocks4) ?? .global
            } else {
                self = Self.firstMatch(bytes, in: Self.blocks6) ?? .global
            }
        default: return nil
        }
    }

    /// The 4 or 16 bytes of an address in text form.
    static func parse(_ text: String) -> [UInt8]? {
        var v4 = in_addr()
        if inet_pton(AF_INET, text, &v4) == 1 { return withUnsafeBytes(of: &v4) { Array($0) } }
        var v6 = in6_addr()
        let bare = String(text.prefix { $0 != "%" })
        if inet_pton(AF_INET6, bare, &v6) == 1 { return withUnsafeBytes(of: &v6) { Array($0) } }
        return nil
    }

    // MARK: - Tables

    private struct Block: Sendable {
        let prefix: [UInt8]
        let bits: Int
        let kind: AddressKind

        init(_ prefix: [UInt8], _ bits: Int, _ kind: AddressKind) {
            self.prefix = prefix
            self.bits = bits
            self.kind = kind
        }
    }

    /// From the IANA IPv4 special-purpose registry (RFC 6890 and its updates).
    private static let blocks4: [Block] = [
        Block([0], 8, .unusable),
        Block([10], 8, .private),
        Block([100, 64], 10, .private),
        Block([127], 8, .loopback),
        Block([169, 254], 16, .private),
        Block([172, 16], 12, .private),
        Block([192, 0, 0], 24, .private),
        Block([192, 168], 16, .private),
        Block([198, 18], 15, .private),
        Block([224], 4, .unusable),
        Block([240], 4, .unusable),
    ]

    /// From the IANA IPv6 special-purpose registry.
    private static let blocks6: [Block] = [
        Block([UInt8](repeating: 0, count: 15) + [1], 128, .loopback),
        Block([UInt8](repeating: 0, count: 16), 128, .unusable),
        Block([0x00, 0x64, 0xFF, 0x9B, 0x00, 0x01], 48, .private),
        Block([0x01, 0x00, 0, 0, 0, 0, 0, 0], 64, .unusable),
        Block([0x20, 0x01, 0x00, 0x00], 32, .unusable),
        Block([0xFC], 7, .private),
        Block([0xFE, 0x80], 10, .private),
        Block([0xFE, 0xC0], 10, .private),
        Block([0xFF], 8, .unusable),
    ]

    /// The IPv4 address inside ::ffff:0:0/96 (mapped), ::/96 (compatible, long deprecated, still routed by
    /// some stacks), 64:ff9b::/96 (NAT64) and 2002::/16 (6to4).
    private static func embeddedIPv4(_ bytes: [UInt8]) -> [UInt8]? {
        let tail = Array(bytes[12...])
        let head = Array(bytes[..<12])
        let zeros = [UInt8](repeating: 0, count: 10)
        if head == zeros + [0xFF, 0xFF] { return tail }
        if head == [0x00, 0x64, 0xFF, 0x9B] + [UInt8](repeating: 0, count: 8) { return tail }
        if bytes[0] == 0x20, bytes[1] == 0x02 { return Array(bytes[2..<6]) }
        if head == zeros + [0, 0], tail.prefix(2) != [0, 0] { return tail }
        return nil
    }

    private static func firstMatch(_ bytes: [UInt8], in blocks: [Block]) -> AddressKind? {
        blocks.first { block in
            for index in block.prefix.indices {
                let bits = block.bits - index * 8
                let mask: UInt8 = bits >= 8 ? 0xFF : 0xFF << UInt8(8 - bits)
                if bytes[index] & mask != block.prefix[index] & mask { return false }
            }
            return true
        }?.kind
    }
}
