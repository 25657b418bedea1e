/// Random events and patterns over few names and values, so that they meet often.
struct RandomCases {
    var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    private let names = ["a", "b", "c", "é", "id"]
    private let texts = [
        "", "a", "ab", "abc", "B", "user.x", "user.y", "10.1.2.3", "2001:db8::5", "null", "ÄB", "a*b",
    ]
    private let numbers = [
        "0", "-0", "1", "1.0", "1e0", "2.5", "-3", "9007199254740993", "12345678901234567890",
    ]

    mutating func event() -> String { object(depth: 3) }

    private mutating func object(depth: Int) -> String {
        var members: [String] = []
        for name in names where generator.chance(60) {
            members.append("\(quote(name)):\(value(depth: depth - 1))")
        }
        return "{\(members.joined(separator: ","))}"
    }

    private mutating func value(depth: Int) -> String {
        if depth > 0, generator.chance(30) { return object(depth: depth) }
        if depth > 0, generator.chance(40) {
            let elements = (0..<generator.count(0...3)).map { _ in value(depth: depth - 1) }
            return "[\(elements.joined(separator: ","))]"
        }
        return scalar()
    }

    private mutating func scalar() -> String {
        if generator.chance(60) { return quote(generator.pick(texts)) }
        return generator.chance(60) ? generator.pick(numbers) : generator.pick(["true", "false", "null"])
    }

    mutating func pattern(depth: Int = 3) -> String {
        var members: [String] = []
        for name in names where generator.chance(30) {
            members.append("\(quote(name)):\(field(depth: depth))")
        }
        if depth > 1, generator.chance(12) {
            let parts = (0..<generator.count(2...3)).map { _ in pattern(depth: depth - 1) }
            members.append("\"$or\":[\(parts.joined(separator: ","))]")
        }
        if members.isEmpty { members.append("\(quote(generator.pick(names))):\(field(depth: 1))") }
        return "{\(members.joined(separator: ","))}"
    }

    /// A pattern of many conditions, most of which hold in `wideEvent`.
    mutating func widePattern() -> String {
        let members = (0..<generator.count(65...90)).map { index in
            let entries = generator.chance(98) ? "{\"anything-but\":\"none\"},{\"exists\":false}" : entry()
            return "\"\(index % 3 == 0 ? "w" : "")\(index)\":[\(entries)]"
        }
        let (flat, below) = (members.filter { !$0.hasPrefix("\"w") }, members.filter { $0.hasPrefix("\"w") })
        return "{\(flat.joined(separator: ",")),\"list\":{\(below.joined(separator: ","))}}"
    }

    mutating func wideEvent() -> String {
        let members = (0..<90).map { index in "\"\(index)\":\(generator.chance(80) ? scalar() : "[]")" }
        let elements = (0..<3).map { _ in
            "{\((0..<90).map { "\"w\($0)\":\(scalar())" }.joined(separator: ","))}"
        }
        return "{\(members.joined(separator: ",")),\"list\":[\(elements.joined(separator: ","))]}"
    }

    private mutating func field(depth: Int) -> String {
        if depth > 1, generator.chance(45) { return pattern(depth: depth - 1) }
        let entries = (0..<generator.count(1...2)).map { _ in entry() }
        return "[\(entries.joined(separator: ","))]"
    }

    private mutating func entry() -> String {
        let text = quote(generator.pick(texts))
        let some = quote(generator.pick(texts.filter { !$0.isEmpty }))
        switch generator.count(0...13) {
        case 0...2: return scalar()
        case 3: return "{\"prefix\":\(text)}"
        case 4: return "{\"suffix\":\(text)}"
        case 5: return "{\"equals-ignore-case\":\(text)}"
        case 6: return "{\"\(generator.pick(["prefix", "suffix"]))\":{\"equals-ignore-case\":\(text)}}"
        case 7:
            let wildcards = ["*", "a*", "*b", "*b*", "a*c", "user.*", "*.*", "a\\\\*b"]
            return "{\"wildcard\":\(quote(generator.pick(wildcards)))}"
        case 8: return "{\"anything-but\":\(generator.chance(50) ? text : "[\(generator.pick(numbers))]")}"
        case 9:
            let list = generator.chance(50) ? "[\(some)]" : "[\(some),\(quote(generator.pick(["x", "ab"])))]"
            let name = generator.pick(["prefix", "suffix", "wildcard", "equals-ignore-case"])
            return "{\"anything-but\":{\"\(name)\":\(generator.chance(30) ? some : list)}}"
        case 10:
            let sign = generator.pick(["=", "<", "<=", ">", ">="])
            return "{\"numeric\":[\"\(sign)\",\(generator.pick(["0", "1", "2.5"]))]}"
        case 11: return "{\"numeric\":[\">\",-3.5,\"<=\",\(generator.pick(["0", "1", "2.5"]))]}"
        case 12:
            let blocks = ["10.0.0.0/8", "10.1.2.3/32", "2001:db8::/32", "0.0.0.0/0"]
            return "{\"cidr\":\(quote(generator.pick(blocks)))}"
        default: return "{\"exists\":\(generator.pick(["true", "false"]))}"
        }
    }

    private func quote(_ text: String) -> String { "\"\(text)\"" }
}
