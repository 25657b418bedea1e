/// Writes a JSON text piece by piece; commas are its own business, and so is the escaping of strings.
///
/// The caller opens and closes containers in pairs; inside an object each value follows a ``name(_:)``.
public struct JSONWriter: Sendable {
    /// The text so far.
    public private(set) var bytes: [UInt8] = []
    private var needsComma = false

    public init() {}

    /// The text so far, as a string.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Writes `{`, what `content` writes, and `}`.
    public mutating func object(_ content: (inout JSONWriter) throws -> Void) rethrows {
        open("{")
        try content(&self)
        close("}")
    }

    /// Writes `[`, what `content` writes, and `]`.
    public mutating func array(_ content: (inout JSONWriter) throws -> Void) rethrows {
        open("[")
        try content(&self)
        close("]")
    }

    /// Writes a member's name; its value comes next.
    public mutating func name(_ name: String) {
        separate()
        appendQuoted(name.utf8)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    public mutating func string(_ value: String) {
        separate()
        appendQuoted(value.utf8)
        needsComma = true
    }

    public mutating func integer(_ value: some BinaryInteger) { raw(String(value).utf8) }
    public mutating func bool(_ value: Bool) { raw((value ? "true" : "false").utf8) }
    public mutating func null() { raw("null".utf8) }

    /// Writes a finite double in its shortest form; JSON has no other ones, so those become `null`.
    public mutating func double(_ value: Double) {
        value.isFinite ? raw("\(value)".utf8) : null()
    }

    /// Writes a value of another document in its own spelling.
    public mutating func value(_ value: JSONValue) { raw(value.raw) }

    /// Writes bytes that are one JSON value already.
    public mutating func raw(_ json: some Sequence<UInt8>) {
        separate()
        bytes.append(contentsOf: json)
        needsComma = true
    }

    // MARK: - Members

    public mutating func member(_ name: String, _ value: String?) {
        self.name(name)
        if let value { string(value) } else { null() }
    }

    public mutating func member(_ name: String, _ value: (some BinaryInteger)?) {
        self.name(name)
        if let value { integer(value) } else { null() }
    }

    public mutating func member(_ name: String, _ value: Bool?) {
        self.name(name)
        if let value { bool(value) } else { null() }
    }

    public mutating func member(_ name: String, _ value: Double) {
        self.name(name)
        double(value)
    }

    public mutating func member(_ name: String, raw json: some Sequence<UInt8>) {
        self.name(name)
        raw(json)
    }

    // MARK: - Pieces

    /// Opens a container; ``close(_:)`` has to follow.
    ///
    /// For callers whose errors have a type.
    package mutating func open(_ bracket: Unicode.Scalar) {
        separate()
        bytes.append(UInt8(ascii: bracket))
        needsComma = false
    }

    /// Closes a container that ``open(_:)`` opened.
    package mutating func close(_ bracket: Unicode.Scalar) {
        bytes.append(UInt8(ascii: bracket))
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
    }

    private mutating func appendQuoted(_ text: String.UTF8View) {
        bytes.append(UInt8(ascii: "\""))
        Self.appendEscaped(text, to: &bytes)
        bytes.append(UInt8(ascii: "\""))
    }

    /// Appends UTF-8 text with JSON's escapes, without the quotes around it.
    public static func appendEscaped(_ text: some Sequence<UInt8>, to bytes: inout [UInt8]) {
        let isDone: Void? = text.withContiguousStorageIfAvailable { appendEscaped($0, to: &bytes) }
        if isDone == nil { Array(text).withUnsafeBufferPointer { appendEscaped($0, to: &bytes) } }
    }

    /// Most texts need no escape at all: what stands between two of them goes over in one piece.
    private static func appendEscaped(_ text: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) {
        var start = 0
        for (index, byte) in text.enumerated()
        where byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
            bytes.append(contentsOf: text[start..<index])
            appendEscape(of: byte, to: &bytes)
            start = index + 1
        }
        bytes.append(contentsOf: text[start...])
    }

    private static func appendEscape(of byte: UInt8, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
        case 0x0A: bytes.append(UInt8(ascii: "n"))
        case 0x0D: bytes.append(UInt8(ascii: "r"))
        case 0x09: bytes.append(UInt8(ascii: "t"))
        default:
            let digit = byte & 0x0F
            bytes.append(contentsOf: "u00".utf8)
            bytes.append(UInt8(ascii: "0") + byte >> 4)
            bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }
}
