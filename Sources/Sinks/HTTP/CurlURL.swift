import CCurl
import Synchronization

/// A URL, judged before it is called.
struct CurlURL {
    /// `scheme://host[:port]`, safe to show.
    let origin: String

    init(_ text: String, policy: AddressPolicy) throws(CurlFailure) {
        try Self.judgeCharacters(text)
        guard let handle = curl_url() else { throw .notSent("out of memory") }
        defer { curl_url_cleanup(handle) }
        let flags = UInt32(CURLU_DISALLOW_USER | CURLU_PATH_AS_IS)
        let code = curl_url_set(handle, CURLUPART_URL, text, flags)
        guard code == CURLUE_OK else {
            let isUser = code == CURLUE_USER_NOT_ALLOWED
            throw .invalidRequest(
                isUser ? "the URL holds a user name; use auth" : "the URL is not an absolute http(s) URL")
        }
        guard let scheme = Self.part(CURLUPART_SCHEME, of: handle)?.lowercased(),
            let host = Self.part(CURLUPART_HOST, of: handle), !host.isEmpty
        else { throw .invalidRequest("the URL has no host") }
        guard scheme == "https" || scheme == "http" else {
            throw .invalidRequest("the URL's scheme is neither https nor http")
        }
        guard scheme == "https" || policy.allowsHTTP else {
            throw .invalidRequest("plain http is refused unless \"allowHttp\": true")
        }
        try Self.judgePath((Self.part(CURLUPART_PATH, of: handle) ?? "/")[...].utf8)
        let port = Self.part(CURLUPART_PORT, of: handle)
        origin = "\(scheme)://\(host)" + (port.map { ":\($0)" } ?? "")
    }

    /// Throws as ``init(_:policy:)`` does, without parsing what was parsed before: a sink calls the same host
    /// again and again.
    static func validate(_ text: String, policy: AddressPolicy) throws(CurlFailure) {
        guard let end = endOfAuthority(text) else {
            _ = try CurlURL(text, policy: policy)
            return
        }
        let authority = KnownAuthority(text: String(text[..<end]), allowsHTTP: policy.allowsHTTP)
        if known.withLock({ $0.contains(authority) }) {
            try judgeCharacters(text)
            let isEnd: (UInt8) -> Bool = { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }
            return try judgePath(text.utf8[end...].prefix { !isEnd($0) })
        }
        _ = try CurlURL(text, policy: policy)
        known.withLock { known in
            if known.count == knownMax { known.removeAll() }
            known.insert(authority)
        }
    }

    /// Scheme and authority of a URL that was good, and plain http's being allowed then.
    private struct KnownAuthority: Hashable, Sendable {
        let text: String
        let allowsHTTP: Bool
    }

    private static let knownMax = 256
    private static let known = Mutex<Set<KnownAuthority>>([])

    /// Scheme and authority of a URL that is valid, as it spells them.
    static func authority(of text: String) -> String {
        String(text[..<(endOfAuthority(text) ?? text.endIndex)])
    }

    /// Where libcurl ends the authority, too: RFC 3986 section 3.2.
    private static func endOfAuthority(_ text: String) -> String.Index? {
        // Byte by byte: to search for a range takes ten times as long, and this is asked for each request.
        let bytes = text.utf8
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")), bytes[colon...].starts(with: "://".utf8)
        else { return nil }
        return bytes[bytes.index(colon, offsetBy: 3)...].firstIndex { byte in
            byte == UInt8(ascii: "/") || byte == UInt8(ascii: "?") || byte == UInt8(ascii: "#")
        } ?? text.endIndex
    }

    private static func judgeCharacters(_ text: String) throws(CurlFailure) {
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw .invalidRequest("the URL holds a space or a control character")
        }
    }

    private static func judgePath(_ path: Substring.UTF8View) throws(CurlFailure) {
        guard !path.split(separator: UInt8(ascii: "/")).contains(where: isDotSegment) else {
            throw .invalidRequest("the URL's path holds a . or .. segment")
        }
    }

    /// A value that renders as `..` would address another resource than the mapping means.
    private static func isDotSegment(_ segment: Substring.UTF8View) -> Bool {
        // At its longest it is %2e%2e.
        guard segment.count <= 6, let first = segment.first, ".%".utf8.contains(first) else { return false }
        let plain = Substring(segment).lowercased().split(separator: "%2e", omittingEmptySubsequences: false)
            .joined(separator: ".")
        return plain == "." || plain == ".."
    }

    private static func part(_ part: CURLUPart, of handle: OpaquePointer) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        guard curl_url_get(handle, part, &text, 0) == CURLUE_OK, let text else { return nil }
        defer { curl_free(text) }
        return String(cString: text)
    }
}
