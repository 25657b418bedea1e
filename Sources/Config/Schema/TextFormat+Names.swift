import JSON
import Rules

extension TextFormat<String> {
    /// A hook, sink or org: it stands in URLs, metrics and commands, so it is kept simple.
    static let name = TextFormat(
        phrase: "a name",
        advice: "use letters, digits, \".\", \"_\" and \"-\", at most 63, the first a letter or digit",
        pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
        standIn: ""
    ) { text in
        guard (1...63).contains(text.utf8.count), let first = text.utf8.first, first.isNameByte,
            first != UInt8(ascii: "_"), first != UInt8(ascii: "-"),
            text.utf8.allSatisfy({ $0.isNameByte || $0 == UInt8(ascii: ".") })
        else { return nil }
        return text
    }

    static let ruleName = line("a rule's name", "give the rule a name of its own; spaces are fine")

    static let urlPath = TextFormat(
        phrase: "a URL path",
        advice: "start it with \"/\" and leave out host, query and spaces, such as \"/okta/events\"",
        pattern: "^/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*$",
        standIn: ""
    ) { text in
        let extra = "._~!$&'()*+,;=:@%/".utf8
        let fits = text.hasPrefix("/") && text.utf8.allSatisfy { $0.isNameByte || extra.contains($0) }
        return fits ? text : nil
    }

    static let headerName = TextFormat(
        phrase: "a header name",
        advice: "use letters, digits and \"-\", such as \"Authorization\"",
        pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        standIn: "X"
    ) { text in
        let extra = "!#$%&'*+.^`|~".utf8
        let fits = !text.isEmpty && text.utf8.allSatisfy { $0.isNameByte || extra.contains($0) }
        return fits ? text : nil
    }

    static let columnName = TextFormat(
        phrase: "a column name", advice: "any characters but quotes and control characters",
        pattern: #"^[^"\u0000-\u001f]+$"#, standIn: ""
    ) { text in
        let fits = !text.isEmpty && text.utf8.allSatisfy { $0 > 31 && $0 != UInt8(ascii: "\"") }
        return fits ? text : nil
    }

    static let columnType = TextFormat(
        phrase: "an SQL type",
        advice: "write it as in CREATE TABLE, such as \"text\", \"timestamptz\" or \"numeric(10, 2)\"",
        pattern: #"^[A-Za-z_][A-Za-z0-9_ (),.\[\]]*$"#,
        standIn: "text"
    ) { text in
        let extra = " (),.[]".utf8
        guard let first = text.utf8.first, first.isNameByte, first != UInt8(ascii: "-"),
            !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first)
        else { return nil }
        let fits = text.utf8.allSatisfy {
            ($0.isNameByte && $0 != UInt8(ascii: "-")) || extra.contains($0)
        }
        return fits ? text : nil
    }

    static let path = line("a file path", "relative paths are taken from the config file's directory")

    static let address = TextFormat(
        phrase: "an IP address or CIDR block",
        advice: "such as \"10.0.0.7\" or \"10.0.0.0/8\"",
        pattern: "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$",
        standIn: ""
    ) { text in
        let halves = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = halves.first, !address.isEmpty,
            address.utf8.allSatisfy({ "0123456789abcdefABCDEF:.".utf8.contains($0) })
        else { return nil }
        guard halves.count == 2 else { return text }
        let digits = halves[1]
        let fits =
            (1...3).contains(digits.count) && digits.utf8.allSatisfy { (48...57).contains($0) }
        return fits ? text : nil
    }

    /// Any text on one line.
    private static func line(_ phrase: String, _ advice: String) -> TextFormat {
        TextFormat(
            phrase: phrase, advice: advice, pattern: #"^[^\u0000-\u001f]+$"#, standIn: ""
        ) { text in
            !text.isEmpty && text.utf8.allSatisfy { $0 > 31 } ? text : nil
        }
    }

    /// An event type without `*`.
    static let eventType = TextFormat(
        phrase: "an event type",
        advice: "write one name without \"*\", such as \"user.lifecycle.create\"",
        pattern: #"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$"#,
        standIn: "user.lifecycle.create"
    ) { text in
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return parts.count > 1 && parts.allSatisfy { !$0.isEmpty && $0.allSatisfy(\.isNameByte) } ? text : nil
    }
}

extension TextFormat<Secret> {
    /// A value that is sent in or compared with a header, or a password.
    static let secret = TextFormat(
        phrase: "a secret",
        advice: "it must not be empty, have spaces at its ends, or line breaks in it",
        pattern: #"^[^\u0000-\u0020]([^\u0000-\u001f]*[^\u0000-\u0020])?$"#,
        standIn: Secret(""),
        isSecret: true
    ) { text in
        guard let first = text.utf8.first, let last = text.utf8.last, first > 32, last > 32,
            text.utf8.allSatisfy({ $0 > 31 })
        else { return nil }
        return Secret(text)
    }
}

extension TextFormat<EventTypePattern> {
    static let eventTypePattern = TextFormat(
        phrase: "an event type",
        advice: "write a name in which \"*\" stands for any run of characters, such as \"user.lifecycle.*\"",
        pattern: "^[A-Za-z0-9_.*-]+$",
        standIn: EventTypePattern("*")
    ) { text in
        let fits =
            !text.isEmpty && text.utf8.allSatisfy { $0.isNameByte || ".*".utf8.contains($0) }
        return fits ? EventTypePattern(text) : nil
    }
}

/// A table's name with the schema in front of it, where there is one.
struct TableName: Sendable, Equatable {
    var schema: String?
    var name: String
}

extension TextFormat<TableName> {
    static let tableName = TextFormat(
        phrase: "a table name",
        advice: "write \"table\" or \"schema.table\", without quotes, spaces or further dots",
        pattern: #"^[^."\u0000-\u0020]+(\.[^."\u0000-\u0020]+)?$"#,
        standIn: TableName(name: "")
    ) { text in
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, let last = parts.last,
            parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { $0 > 32 && $0 != UInt8(ascii: "\"") } })
        else { return nil }
        return TableName(schema: parts.count == 2 ? parts[0] : nil, name: last)
    }
}
