import Config
import Foundation

/// Headers in order, each name once in any case.
struct HTTPHeaderList {
    private(set) var entries: [(name: String, value: String)] = []

    /// Whether two names are the same header's: in ASCII, in any case.
    static func areSame(_ a: String, _ b: String) -> Bool {
        a.utf8.count == b.utf8.count && a.utf8.elementsEqual(b.utf8, by: { lower($0) == lower($1) })
    }

    private static func lower(_ byte: UInt8) -> UInt8 {
        byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
    }

    func contains(_ name: String) -> Bool {
        entries.contains { Self.areSame($0.name, name) }
    }

    /// Whether a text in the body is to be written as JSON: unless a content type says otherwise.
    var allowsJSONBody: Bool {
        entries.first { Self.areSame($0.name, "content-type") }?.value.lowercased().contains("json") ?? true
    }

    mutating func set(_ name: String, _ value: String) {
        entries.removeAll { Self.areSame($0.name, name) }
        entries.append((name, value))
    }

    /// Adds a header unless the mapping has set it.
    mutating func setDefault(_ name: String, _ value: String) {
        if !contains(name) { set(name, value) }
    }

    /// Proves the relay to the endpoint; this wins over a mapped header of the same name.
    mutating func authenticate(_ authentication: HTTPAuthentication?) {
        switch authentication {
        case .bearer(let token): set("Authorization", "Bearer \(token.revealed)")
        case .basic(let user, let password):
            // RFC 7617, in UTF-8.
            let pair = Array("\(user):\(password.revealed)".utf8)
            set("Authorization", "Basic \(Data(pair).base64EncodedString())")
        case .header(let name, let value): set(name, value.revealed)
        case nil: break
        }
    }
}

extension HTTPAuthentication {
    /// The header that proves the relay to the endpoint.
    var headerName: String {
        switch self {
        case .bearer, .basic: "Authorization"
        case .header(let name, _): name
        }
    }
}
