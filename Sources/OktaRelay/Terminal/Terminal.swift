import ArgumentParser
import Foundation

/// Where commands write: results to standard output, what is only for a person to standard error.
enum Terminal {
    /// Whether standard output is a person's terminal that wants more than plain text.
    static let isInteractive =
        isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["NO_COLOR"] == nil

    /// Writes lines of the result.
    static func write(_ text: String = "") { print(text) }

    /// Writes bytes of the result as they are, and a line's end.
    static func write(_ bytes: some Sequence<UInt8>) {
        FileHandle.standardOutput.write(Data(bytes) + Data("\n".utf8))
    }

    /// Writes bytes and nothing else, for a file.
    static func write(exactly bytes: [UInt8]) { FileHandle.standardOutput.write(Data(bytes)) }

    /// Writes a table; its heading is bold on a terminal.
    static func write(_ table: TextTable) { write(table.text(isHeadingBold: isInteractive)) }

    /// Writes to standard error, where scripts that read the result don't see it.
    static func note(_ text: String) {
        // A progress bar may stand there.
        let start = isatty(STDERR_FILENO) == 1 ? "\r\u{1B}[K" : ""
        FileHandle.standardError.write(Data("\(start)\(text)\n".utf8))
    }

    /// Says why a command ends here, and gives the exit code to throw.
    static func failure(_ text: String, _ status: ExitStatus = .cannot) -> ExitCode {
        note("okta-relay: \(text)")
        return status.code
    }
}

/// What a command's exit code tells a script; the argument parser adds 64 for a wrong call.
enum ExitStatus: Int32, CaseIterable {
    /// The command did its work and found something wrong.
    case problems = 1
    /// The command could not do its work.
    case cannot = 2

    var code: ExitCode { ExitCode(rawValue) }
}
