public import JSON

/// One mistake in a config file: where it is, what is wrong and what would be right.
///
/// Its text never holds a value that came from a reference, nor one that may be a secret.
public struct ConfigIssue: Error, Sendable, Equatable, CustomStringConvertible {
    /// An error refuses the file; a warning is for a person to judge.
    public enum Severity: String, Sendable, CaseIterable { case error, warning }

    public let severity: Severity
    /// The file's name as it was given.
    public let file: String
    /// From 1.
    public let line: Int
    /// From 1, in bytes.
    public let column: Int
    /// The place in the document; for a missing key, the object that lacks it.
    public let pointer: JSONPointer
    /// What is wrong and what would be right, in one line.
    public let message: String

    public init(
        severity: Severity, file: String, line: Int, column: Int, pointer: JSONPointer, message: String
    ) {
        self.severity = severity
        self.file = file
        self.line = line
        self.column = column
        self.pointer = pointer
        self.message = message
    }

    /// The form that editors understand: `sinks.json:12:5: error: /sinks/crm/url: message`.
    public var description: String {
        let place = pointer.description.isEmpty ? "" : "\(pointer): "
        return "\(file):\(line):\(column): \(severity.rawValue): \(place)\(message)"
    }

    /// Writes it as a JSON object.
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("severity", severity.rawValue)
            writer.member("file", file)
            writer.member("line", line)
            writer.member("column", column)
            writer.member("pointer", pointer.description)
            writer.member("message", message)
        }
    }
}
