import Foundation

/// A URL taken apart: where to connect, and the path to ask for.
public struct HTTPTarget: Sendable, Equatable, CustomStringConvertible {
    public var isTLS: Bool
    public var host: String
    public var port: Int
    /// With the query, where there is one; starts with `/`.
    public var path: String

    public init(isTLS: Bool = false, host: String, port: Int, path: String) {
        self.isTLS = isTLS
        self.host = host
        self.port = port
        self.path = path
    }

    /// Nil where the text is not an absolute `http:` or `https:` URL, or carries a user or password.
    public init?(_ text: String) {
        guard let url = URLComponents(string: text), let scheme = url.scheme?.lowercased(),
            ["http", "https"].contains(scheme), let host = url.host, !host.isEmpty,
            url.user == nil, url.password == nil
        else { return nil }
        let path = url.percentEncodedPath.isEmpty ? "/" : url.percentEncodedPath
        self.init(
            isTLS: scheme == "https",
            host: host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host,
            port: url.port ?? (scheme == "https" ? 443 : 80),
            path: url.percentEncodedQuery.map { "\(path)?\($0)" } ?? path
        )
    }

    /// The `Host` header's value.
    public var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    public var description: String { "\(isTLS ? "https" : "http")://\(authority)\(path)" }
}
