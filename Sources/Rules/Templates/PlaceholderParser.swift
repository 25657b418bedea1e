import JSON

/// What is wrong inside a placeholder.
struct PlaceholderMistake: Error {
    let message: String
}

/// Reads what stands between `{{` and `}}`: a path, or a text in quotes, and filters.
struct PlaceholderParser {
    private let text: [UInt8]
    private var scanner: PathScanner

    init(_ inside: String) {
        text = Array(inside.utf8)
        scanner = PathScanner(inside)
    }

    /// Where the `}}` of a placeholder stands: quotes and brackets inside are passed over.
    static func end(of text: [UInt8], from start: Int) -> Int? {
        next(in: text, from: start) { text, position in
            position + 1 < text.count && text[position] == UInt8(ascii: "}")
                && text[position + 1] == UInt8(ascii: "}")
        }
    }

    /// The first place outside of quotes and brackets where something stands.
    private static func next(
        in text: [UInt8], from start: Int, where isWanted: ([UInt8], Int) -> Bool
    ) -> Int? {
        var depth = 0
        var quote: UInt8?
        var position = start
        while position < text.count {
            let byte = text[position]
            if let open = quote {
                if byte == UInt8(ascii: "\\") {
                    position += 1
                } else if byte == open {
                    quote = nil
                }
            } else if depth == 0, isWanted(text, position) {
                return position
            } else {
                switch byte {
                case UInt8(ascii: "'"), UInt8(ascii: "\""): quote = byte
                case UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
                case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"): depth = max(0, depth - 1)
                default: break
                }
            }
            position += 1
        }
        return nil
    }

    mutating func parse() throws(PlaceholderMistake) -> Placeholder {
        let bar = Self.next(in: text, from: 0) { text, position in text[position] == UInt8(ascii: "|") }
        let source = Self.source(of: text)
        let subject = try Self.subject(source)
        scanner.position = bar ?? text.count
        var selection: Placeholder.Selection?
        var filters: [TemplateFilter] = []
        while scanner.take("|") {
            scanner.skipBlanks()
            let isFirst = selection == nil && filters.isEmpty
            let (name, arguments) = try call()
            scanner.skipBlanks()
            guard scanner.isAtEnd || scanner.byte == UInt8(ascii: "|") else {
                throw PlaceholderMistake(message: "expected '|' or '}}' after \(name)")
            }
            if isFirst, name == "first" || name == "all" {
                guard arguments.isEmpty else {
                    throw PlaceholderMistake(message: "\(name) takes no argument")
                }
                selection = name == "first" ? .first : .all
            } else {
                filters.append(try FilterArguments(name, arguments).filter())
            }
        }
        return Placeholder(source: source, subject: subject, selection: selection ?? .one, filters: filters)
    }

    /// What stands before the filters.
    static func source(of inside: [UInt8]) -> String {
        let bar = next(in: inside, from: 0) { text, position in text[position] == UInt8(ascii: "|") }
        return trim(inside[..<(bar ?? inside.count)])
    }

    private static func subject(_ source: String) throws(PlaceholderMistake) -> Placeholder.Subject {
        guard !source.isEmpty else {
            throw PlaceholderMistake(message: "a placeholder needs a path such as $.user.login")
        }
        do throws(LanguageProblem) {
            var scanner = PathScanner(source)
            if let literal = try scanner.string() {
                guard scanner.isAtEnd else { throw scanner.failure("expected '|' or '}}'") }
                return .literal(String(decoding: literal, as: UTF8.self))
            }
            return .path(try JSONPath(source))
        } catch {
            throw PlaceholderMistake(message: error.message)
        }
    }

    /// A filter's name and its arguments.
    private mutating func call() throws(PlaceholderMistake) -> (name: String, arguments: [TemplateValue]) {
        let start = scanner.position
        while let byte = scanner.byte, byte &- UInt8(ascii: "a") < 26 { scanner.position += 1 }
        let name = String(decoding: text[start..<scanner.position], as: UTF8.self)
        guard TemplateFilter.names.contains(name) else {
            let hint = Spelling.nearest(name, among: TemplateFilter.names).map { ", did you mean \"\($0)\"?" }
            let known = TemplateFilter.names.joined(separator: ", ")
            throw PlaceholderMistake(message: "unknown filter \"\(name)\"\(hint ?? ";") known: \(known)")
        }
        let afterName = scanner.position
        scanner.skipBlanks()
        guard scanner.take("(") else {
            scanner.position = afterName
            return (name, [])
        }
        var arguments: [TemplateValue] = []
        scanner.skipBlanks()
        if scanner.take(")") { return (name, []) }
        repeat {
            scanner.skipBlanks()
            arguments.append(try argument(of: name))
            scanner.skipBlanks()
        } while scanner.take(",")
        guard scanner.take(")") else {
            throw PlaceholderMistake(message: "expected ',' or ')' in \(name)(…)")
        }
        return (name, arguments)
    }

    /// A text in either kind of quotes, or any JSON value.
    private mutating func argument(of name: String) throws(PlaceholderMistake) -> TemplateValue {
        do throws(LanguageProblem) {
            if let literal = try scanner.string() { return .string(String(decoding: literal, as: UTF8.self)) }
        } catch {
            throw PlaceholderMistake(message: error.message)
        }
        let end = Self.next(in: text, from: scanner.position) { text, position in
            text[position] == UInt8(ascii: ",") || text[position] == UInt8(ascii: ")")
        }
        guard let end else { throw PlaceholderMistake(message: "\(name)( is not closed") }
        do throws(JSONSyntaxError) {
            let document = try JSONDocument(Array(text[scanner.position..<end]))
            scanner.position = end
            return TemplateValue(document.root)
        } catch {
            throw PlaceholderMistake(message: "an argument of \(name) is not JSON: \(error.reason)")
        }
    }

    private static func trim(_ text: ArraySlice<UInt8>) -> String {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }
        guard let first = text.firstIndex(where: { !isBlank($0) }),
            let last = text.lastIndex(where: { !isBlank($0) })
        else { return "" }
        return String(decoding: text[first...last], as: UTF8.self)
    }
}

/// A filter's arguments, checked for the filter.
private struct FilterArguments {
    let name: String
    let values: [TemplateValue]

    init(_ name: String, _ values: [TemplateValue]) {
        self.name = name
        self.values = values
    }

    func filter() throws(PlaceholderMistake) -> TemplateFilter {
        switch name {
        case "all": throw PlaceholderMistake(message: "all can only stand first, right behind the path")
        case "first": return try plain(.first)
        case "lower": return try plain(.lower)
        case "upper": return try plain(.upper)
        case "trim": return try plain(.trim)
        case "json": return try plain(.json)
        case "string": return try plain(.string)
        case "number": return try plain(.number)
        case "split": return .split(try text(canBeEmpty: false))
        case "join": return .join(try text(canBeEmpty: true))
        case "before": return .before(try text(canBeEmpty: false))
        case "after": return .after(try text(canBeEmpty: false))
        case "date": return .date(try dateFormat())
        case "map": return .map(try table())
        default:
            guard values.count == 1 else { throw PlaceholderMistake(message: "\(name) takes one argument") }
            return .default(values[0])
        }
    }

    private func plain(_ filter: TemplateFilter) throws(PlaceholderMistake) -> TemplateFilter {
        guard values.isEmpty else { throw PlaceholderMistake(message: "\(name) takes no argument") }
        return filter
    }

    private func text(canBeEmpty: Bool) throws(PlaceholderMistake) -> String {
        guard values.count == 1, case .string(let text) = values[0], canBeEmpty || !text.isEmpty else {
            throw PlaceholderMistake(message: "\(name) takes one text, such as \(name)('@')")
        }
        return text
    }

    private func dateFormat() throws(PlaceholderMistake) -> DateFormat {
        var text = "iso"
        if !values.isEmpty { text = try self.text(canBeEmpty: false) }
        guard let format = DateFormat(text) else {
            throw PlaceholderMistake(
                message: "date takes iso, date, unix, unix_ms or a format of %Y %m %d %H %M %S %L %s %%")
        }
        return format
    }

    private func table() throws(PlaceholderMistake) -> [String: TemplateValue] {
        guard values.count == 1, case .object(let json) = values[0],
            let root = try? JSONDocument(json).root
        else {
            throw PlaceholderMistake(message: #"map takes one table, such as map({"ACTIVE": "yes"})"#)
        }
        var table: [String: TemplateValue] = [:]
        for (key, value) in root.members { table[key.string ?? ""] = TemplateValue(value) }
        return table
    }
}
