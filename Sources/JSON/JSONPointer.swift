/// A place inside a JSON value (RFC 6901), such as `/rules/0/where`; the empty pointer is the whole.
public struct JSONPointer: Sendable, Hashable, CustomStringConvertible {
    public let description: String

    /// The whole value.
    public static let root = JSONPointer(description: "")

    private init(description: String) { self.description = description }

    /// The member of that name, below this place.
    public func appending(_ name: String) -> JSONPointer {
        var escaped = ""
        for character in name.unicodeScalars {
            switch character {
            case "~": escaped += "~0"
            case "/": escaped += "~1"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return JSONPointer(description: "\(description)/\(escaped)")
    }

    /// The element at that index from 0, below this place.
    public func appending(_ index: Int) -> JSONPointer {
        JSONPointer(description: "\(description)/\(index)")
    }

    /// A pointer that was taken relative to this place.
    public func appending(_ other: JSONPointer) -> JSONPointer {
        JSONPointer(description: description + other.description)
    }
}
