import ArgumentParser
import Config
import Foundation

/// The config file, and others, as commands get them.
enum ConfigurationFile {
    /// Loads it; errors are written to standard error, all of them, and end the command.
    ///
    /// - Parameters:
    ///   - notesWarnings: Writes those as well; else `check` tells of them.
    ///   - toleratesUnset: See ``Config/ConfigLoader``.
    static func load(
        _ path: String, notesWarnings: Bool = false, toleratesUnset: Bool = false
    ) throws -> RelayConfiguration {
        let outcome = ConfigLoader(toleratesUnset: toleratesUnset).load(path: path)
        for issue in outcome.issues where notesWarnings || issue.severity == .error {
            Terminal.note(issue.description)
        }
        guard let configuration = outcome.configuration else {
            throw Terminal.failure("\(path) has \(Wording.count(outcome.errors.count, "error"))", .problems)
        }
        return configuration
    }

    /// A file's bytes, or those of a pipe; `-` reads standard input.
    static func read(_ path: String) throws -> [UInt8] {
        let file = path == "-" ? .standardInput : FileHandle(forReadingAtPath: path)
        // A pipe has no size, so it is read to its end.
        guard let contents = try? file?.readToEnd() ?? (file == nil ? nil : Data()) else {
            throw Terminal.failure("\(path): there is no such file, or it cannot be read")
        }
        return Array(contents)
    }
}
