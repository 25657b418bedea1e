import JSON
import Rules

/// What is said of a row, by column index: a column of which nothing is said isn't there, a null is.
struct RowValues: Sendable, Equatable {
    /// As many as the table has columns, `missing` where nothing is said.
    private var values: [RenderedValue]

    /// Nothing is said of any column.
    init(columns: Int) { values = Array(repeating: .missing, count: columns) }

    subscript(column: Int) -> RenderedValue? {
        get { values[column].isMissing ? nil : values[column] }
        set { values[column] = newValue ?? .missing }
    }

    /// What is there, by ascending column.
    var present: [(column: Int, value: RenderedValue)] {
        values.enumerated().filter { !$0.element.isMissing }.map { ($0.offset, $0.element) }
    }

    /// Takes over what is said of columns here or there; what the other says wins.
    mutating func merge(_ other: RowValues) {
        for (column, value) in other.present { values[column] = value }
    }

    /// The same without what is said of other columns.
    func only(_ columns: Set<Int>) -> RowValues {
        var some = RowValues(columns: values.count)
        for column in columns { some.values[column] = values[column] }
        return some
    }
}

/// How rendered values are written down as JSON: in a row's key, and where the state keeps what a deletion
/// hides.
extension RenderedValue {
    /// One JSON value; a missing one becomes null.
    var jsonText: String {
        var writer = JSONWriter()
        append(to: &writer)
        return writer.text
    }

    func append(to writer: inout JSONWriter) {
        switch self {
        case .missing, .null: writer.null()
        case .bool(let value): writer.bool(value)
        case .number(let text): writer.raw(text.utf8)
        case .string(let text): writer.string(text)
        case .json(let bytes): writer.raw(bytes)
        }
    }

    init(_ value: JSONValue) {
        switch value.kind {
        case .null: self = .null
        case .true: self = .bool(true)
        case .false: self = .bool(false)
        case .number: self = .number(value.numberText ?? "")
        case .string: self = .string(value.string ?? "")
        case .array, .object: self = .json(Array(value.raw))
        }
    }

    /// Reads ``jsonText`` back; text that is none reads as missing.
    init(jsonText: String) {
        self = (try? JSONDocument(jsonText)).map { RenderedValue($0.root) } ?? .missing
    }

    var isMissing: Bool { if case .missing = self { true } else { false } }

    /// A database's text cannot hold U+0000: PostgreSQL refuses it, and C strings end there.
    var withoutNUL: RenderedValue {
        guard case .string(let text) = self, text.utf8.contains(0) else { return self }
        let scalars = text.unicodeScalars.map { $0.value == 0 ? "\u{FFFD}" : $0 }
        return .string(String(String.UnicodeScalarView(scalars)))
    }
}

/// A row's identity as text: the JSON array of its key values.
enum RowKey {
    static func text(_ values: [RenderedValue]) -> String {
        var writer = JSONWriter()
        writer.array { array in for value in values { value.append(to: &array) } }
        return writer.text
    }

    /// Nil where the text is not a key of that many columns.
    static func values(_ text: String, count: Int) -> [RenderedValue]? {
        guard let root = try? JSONDocument(text).root, root.kind == .array else { return nil }
        let values = root.elements.map { RenderedValue($0) }
        return values.count == count ? values : nil
    }
}

/// PostgreSQL's `jsonb` refuses `\u0000` and halves of surrogate pairs (SQLSTATE 22P05, 22P02).
enum SearchableJSON {
    /// The text with such escapes replaced by `\ufffd`; most texts have none and come back as they are.
    static func text(_ bytes: some Collection<UInt8>) -> String {
        let bytes = Array(bytes)
        guard bytes.contains(backslash) else { return String(decoding: bytes, as: UTF8.self) }
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            guard bytes[index] == backslash, index + 1 < bytes.count else {
                result.append(bytes[index])
                index += 1
                continue
            }
            guard bytes[index + 1] == UInt8(ascii: "u"), let unit = unit(in: bytes, at: index) else {
                result.append(contentsOf: bytes[index...(index + 1)])
                index += 2
                continue
            }
            let isPair =
                (0xD800..<0xDC00).contains(unit)
                && Self.unit(in: bytes, at: index + 6).map { (0xDC00..<0xE000).contains($0) } == true
            let isUsable = unit != 0 && !(0xD800..<0xE000).contains(unit)
            let length = isPair ? 12 : 6
            result.append(
                contentsOf: isPair || isUsable ? bytes[index..<(index + length)] : Array("\\ufffd".utf8)[...])
            index += length
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static let backslash = UInt8(ascii: "\\")

    /// The code unit of a `\uXXXX` that starts there.
    private static func unit(in bytes: [UInt8], at index: Int) -> UInt16? {
        guard index + 6 <= bytes.count, bytes[index] == backslash, bytes[index + 1] == UInt8(ascii: "u")
        else { return nil }
        return UInt16(String(decoding: bytes[(index + 2)..<(index + 6)], as: UTF8.self), radix: 16)
    }
}
