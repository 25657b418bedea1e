/// A part of a string in the config file: plain text, or something to fetch from elsewhere.
enum Reference: Equatable {
    case text(String)
    /// `${env:NAME}` or `${env:NAME:-default}`.
    case variable(String, default: String?)
    /// `${file:path}`.
    case file(String)

    /// A `${…}` that is none of the forms.
    struct Mistake: Error, Equatable { let message: String }

    static let forms = "${env:NAME}, ${env:NAME:-default} or ${file:path}; write $${ for a plain ${"

    /// Splits a string; a text without references is one part, and `$${` stands for a plain `${`.
    static func parts(of text: String) throws(Mistake) -> [Reference] {
        var parts: [Reference] = []
        var plain = ""
        var rest = text.unicodeScalars[...]
        while let scalar = rest.first {
            if rest.starts(with: "$${".unicodeScalars) {
                plain += "${"
                rest = rest.dropFirst(3)
            } else if rest.starts(with: "${".unicodeScalars) {
                guard let end = rest.firstIndex(of: "}") else {
                    throw Mistake(message: "a reference that is not closed: the \"}\" is missing")
                }
                if !plain.isEmpty { parts.append(.text(plain)) }
                plain = ""
                parts.append(try reference(String(rest[rest.index(rest.startIndex, offsetBy: 2)..<end])))
                rest = rest[rest.index(after: end)...]
            } else {
                plain.unicodeScalars.append(scalar)
                rest = rest.dropFirst()
            }
        }
        if !plain.isEmpty || parts.isEmpty { parts.append(.text(plain)) }
        return parts
    }

    /// Whether a string has to go through ``parts(of:)``.
    static func isIn(_ text: some Sequence<UInt8>) -> Bool {
        var last: UInt8 = 0
        for byte in text {
            if last == UInt8(ascii: "$"), byte == UInt8(ascii: "{") { return true }
            last = byte
        }
        return false
    }

    private static func reference(_ content: String) throws(Mistake) -> Reference {
        if content.hasPrefix("file:") {
            let path = String(content.dropFirst("file:".count))
            guard !path.isEmpty else { throw Mistake(message: "a file reference without a path") }
            return .file(path)
        }
        guard content.hasPrefix("env:") else {
            throw Mistake(message: "an unknown reference; the forms are \(forms)")
        }
        var name = content.dropFirst("env:".count)
        var standby: String?
        if let mark = name.firstRange(of: ":-") {
            standby = String(name[mark.upperBound...])
            name = name[..<mark.lowerBound]
        }
        guard let first = name.utf8.first, !first.isDigit, name.utf8.allSatisfy(\.isVariableName) else {
            throw Mistake(
                message: "a reference whose variable name is not made of letters, digits and \"_\"")
        }
        return .variable(String(name), default: standby)
    }
}

extension UInt8 {
    fileprivate var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
    fileprivate var isVariableName: Bool {
        isDigit || self == UInt8(ascii: "_") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self | 0x20)
    }
}
