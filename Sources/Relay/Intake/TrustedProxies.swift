import Foundation
public import HTTPTypes

/// Finds the address that a request really comes from, behind proxies that are trusted to say so.
///
/// Only for logs: nothing is allowed or refused by address.
public struct TrustedProxies: Sendable {
    private let blocks: [AddressBlock]

    /// Texts that are no address and no CIDR block trust nobody; `check` reports them.
    public init(_ texts: [String]) { blocks = texts.compactMap { AddressBlock($0) } }

    /// Walks `X-Forwarded-For` from its right end, as long as the hop that wrote the entry is trusted.
    ///
    /// What is not an address ends the walk, so that nothing a client writes gets into a log unparsed.
    public func client(peer: String?, _ fields: HTTPFields) -> String {
        guard let peer, var current = Address(peer) else { return peer ?? "unknown" }
        guard !blocks.isEmpty, let name = HTTPField.Name("X-Forwarded-For") else {
            return current.description
        }
        var entries = fields[values: name].flatMap { $0.split(separator: ",") }
        while isTrusted(current), let entry = entries.popLast() {
            guard let next = Address(entry.trimmingCharacters(in: .whitespaces)) else { break }
            current = next
        }
        return current.description
    }

    private func isTrusted(_ address: Address) -> Bool { blocks.contains { $0.contains(address) } }
}

/// An IPv4 or IPv6 address; an IPv4-mapped IPv6 address counts as IPv4.
struct Address: Sendable, Equatable, CustomStringConvertible {
    /// 4 or 16.
    let bytes: [UInt8]

    init?(_ text: String) {
        var v4 = in_addr()
        var v6 = in6_addr()
        if inet_pton(AF_INET, text, &v4) == 1 {
            bytes = withUnsafeBytes(of: &v4) { Array($0) }
        } else if inet_pton(AF_INET6, text, &v6) == 1 {
            let all = withUnsafeBytes(of: &v6) { Array($0) }
            let mapped = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF]
            bytes = all.starts(with: mapped) ? Array(all.suffix(4)) : all
        } else {
            return nil
        }
    }

    var description: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = bytes.count == 4 ? AF_INET : AF_INET6
        guard inet_ntop(family, bytes, &text, socklen_t(text.count)) != nil else { return "unknown" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// A CIDR block, or one address.
struct AddressBlock: Sendable {
    private let address: Address
    private let prefixBits: Int

    init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = Address(String(first)) else { return nil }
        let width = address.bytes.count * 8
        guard let bits = parts.count == 1 ? width : Int(parts[1]), (0...width).contains(bits) else {
            return nil
        }
        self.address = address
        self.prefixBits = bits
    }

    func contains(_ other: Address) -> Bool {
        guard other.bytes.count == address.bytes.count else { return false }
        for (index, (mine, theirs)) in zip(address.bytes, other.bytes).enumerated() {
            let bits = min(max(prefixBits - index * 8, 0), 8)
            let mask = UInt8(truncatingIfNeeded: 0xFF00 >> bits)
            if (mine ^ theirs) & mask != 0 { return false }
        }
        return true
    }
}
