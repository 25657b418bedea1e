import Foundation

/// The text forms of IP addresses, as far as the config file needs to tell them apart.
enum IPAddressText {
    /// 32 or 128; nil where the text is neither an IPv4 nor an IPv6 address.
    static func bits(_ text: String) -> Int? {
        var v4 = in_addr()
        if inet_pton(AF_INET, text, &v4) == 1 { return 32 }
        var v6 = in6_addr()
        return inet_pton(AF_INET6, text, &v6) == 1 ? 128 : nil
    }

    /// Whether a URL's host is plainly this machine or a private network; names are resolved elsewhere.
    static func isPrivate(host: String) -> Bool {
        let host = host.lowercased()
        if host == "localhost" || host.hasSuffix(".localhost") { return true }
        var v4 = in_addr()
        if inet_pton(AF_INET, host, &v4) == 1 {
            let octets = host.split(separator: ".").compactMap { Int($0) }
            switch (octets[0], octets[1]) {
            case (0, _), (10, _), (127, _), (192, 168), (169, 254), (172, 16...31), (100, 64...127):
                return true
            default: return false
            }
        }
        guard host.hasPrefix("["), host.hasSuffix("]") else { return false }
        let v6 = host.dropFirst().dropLast()
        return v6 == "::1" || v6 == "::" || v6.hasPrefix("fc") || v6.hasPrefix("fd") || v6.hasPrefix("fe80")
    }
}
