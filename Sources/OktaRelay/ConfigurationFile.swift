import ArgumentParser
import Config
import Foundation

/// The config file, and others, as commands get them.
enum ConfigurationFile {
    /// Loads it; what is wrong with it is written to standard error, all of it, and errors end the command.
    ///
    /// - Parameter toleratesUnset: See ``Config/ConfigLoader``.
    static func load(_ path: String, toleratesUnset: Bool = false) throws -> RelayConfiguration {
        let outcome = ConfigLoader(toleratesUnset: toleratesUnset).load(path: path)
        for issue in outcome.issues { Terminal.note(issue.description) }
        guard let configuration = outcome.configuration else {
            throw Terminal.failure("\(path) has \(Wording.count(outcome.errors.count, "error"))", .problems)
        }
        return configuration
    }

    /// A file's bytes.
    static func read(_ path: String) throws -> [UInt8] {
        guard let contents = FileManager.default.contents(atPath: path) else {
            throw Terminal.failure("\(path): there is no such file, or it cannot be read")
        }
        return Array(contents)
    }
}
