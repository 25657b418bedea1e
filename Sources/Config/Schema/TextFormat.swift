import JSON

/// A kind of string with a grammar: the pattern for the schema, the parser for the loader.
///
/// A test holds the two together.
struct TextFormat<Value: Sendable>: Sendable {
    /// With its article: "a duration".
    let phrase: String
    /// What would be right, for the end of a message.
    let advice: String
    /// ECMA 262, anchored.
    let pattern: String
    let standIn: Value
    /// Whether the value must stay out of messages.
    var isSecret = false
    /// Nil where the text does not fit.
    let parse: @Sendable (String) -> Value?
}

extension Shape {
    static func text(_ format: TextFormat<Value>) -> Shape {
        Shape(
            phrase: format.phrase,
            schema: ["type": "string", "pattern": orReference(format.pattern)],
            standIn: format.standIn
        ) { node, context in
            guard node.value.kind == .string else {
                context.wrongType(node, expected: "\(format.phrase) as a string (\(format.advice))")
                return format.standIn
            }
            guard let (text, isReplaced) = context.text(of: node) else { return format.standIn }
            if let value = format.parse(text) { return value }
            let subject =
                isReplaced
                ? "the value, with its references replaced,"
                : format.isSecret ? "the value" : text.isEmpty ? "an empty text" : "\"\(quotable(text))\""
            context.error("\(subject) is not \(format.phrase); \(format.advice)", at: node)
            return format.standIn
        }
    }
}

extension TextFormat<Duration> {
    static let duration = TextFormat(
        phrase: "a duration",
        advice: "write a number and one of ms, s, m, h, d, such as \"15s\" or \"30d\"",
        pattern: "^[1-9][0-9]{0,8}(ms|s|m|h|d)$",
        standIn: .seconds(1)
    ) { text in
        guard let (count, unit) = measure(text) else { return nil }
        switch unit {
        case "ms": return .milliseconds(count)
        case "s": return .seconds(count)
        case "m": return .seconds(count * 60)
        case "h": return .seconds(count * 3_600)
        case "d": return .seconds(count * 86_400)
        default: return nil
        }
    }
}

extension TextFormat<Int> {
    /// Bytes.
    static let size = TextFormat(
        phrase: "a size",
        advice: "write a number and one of B, KiB, MiB, GiB, such as \"64KiB\" or \"10GiB\"",
        pattern: "^[1-9][0-9]{0,8}(B|KiB|MiB|GiB)$",
        standIn: 1
    ) { text in
        guard let (count, unit) = measure(text) else { return nil }
        switch unit {
        case "B": return count
        case "KiB": return count << 10
        case "MiB": return count << 20
        case "GiB": return count << 30
        default: return nil
        }
    }
}

extension TextFormat<RateLimit> {
    static let rate = TextFormat(
        phrase: "a rate",
        advice: "write a number, \"/\" and one of s, min, h, such as \"10/s\" or \"600/min\"",
        pattern: "^[1-9][0-9]{0,8}/(s|min|h)$",
        standIn: RateLimit(count: 1, period: .seconds(1))
    ) { text in
        guard let (count, unit) = measure(text) else { return nil }
        switch unit {
        case "/s": return RateLimit(count: count, period: .seconds(1))
        case "/min": return RateLimit(count: count, period: .seconds(60))
        case "/h": return RateLimit(count: count, period: .seconds(3_600))
        default: return nil
        }
    }
}

extension TextFormat<RateLimit> {
    static let limit = TextFormat(
        phrase: "a limit",
        advice: "write a number, \"/\" and one of min, h, d, such as \"100/h\" or \"500/d\"",
        pattern: "^[1-9][0-9]{0,8}/(min|h|d)$",
        standIn: RateLimit(count: 1, period: .seconds(3_600))
    ) { text in
        guard let (count, unit) = measure(text) else { return nil }
        switch unit {
        case "/min": return RateLimit(count: count, period: .seconds(60))
        case "/h": return RateLimit(count: count, period: .seconds(3_600))
        case "/d": return RateLimit(count: count, period: .seconds(86_400))
        default: return nil
        }
    }
}

/// A positive number of at most nine digits without leading zeros, and what follows it.
private func measure(_ text: String) -> (count: Int, unit: String)? {
    let digits = text.utf8.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    guard digits.count <= 9, digits.first != UInt8(ascii: "0"), let count = Int(String(digits) ?? "") else {
        return nil
    }
    return (count, String(decoding: text.utf8.dropFirst(digits.count), as: UTF8.self))
}

extension TextFormat<ListenAddress> {
    static let listenAddress = TextFormat(
        phrase: "an address to listen at",
        advice: "write host:port, such as \"127.0.0.1:8080\" for this machine only, \"0.0.0.0:8080\" or"
            + " \"[::]:8080\" for all interfaces",
        pattern: #"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):"#
            + "(0|[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$",
        standIn: ListenAddress(host: "127.0.0.1", port: 0)
    ) { text in
        guard let colon = text.lastIndex(of: ":") else { return nil }
        var host = String(text[..<colon])
        let digits = text[text.index(after: colon)...]
        guard digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let port = Int(digits), port <= 65_535, String(port) == digits
        else { return nil }
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard !host.isEmpty, host.utf8.allSatisfy({ "0123456789abcdefABCDEF:.".utf8.contains($0) })
            else { return nil }
        } else {
            guard !host.isEmpty, host.utf8.allSatisfy({ $0.isNameByte || $0 == UInt8(ascii: ".") })
            else { return nil }
        }
        return ListenAddress(host: host, port: port)
    }
}

extension UInt8 {
    /// A letter, a digit, `_` or `-`.
    var isNameByte: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"): true
        default: false
        }
    }
}
