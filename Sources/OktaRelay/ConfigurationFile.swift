import ArgumentParser
import Config
import Foundation

/// The config file as commands get it.
enum ConfigurationFile {
    /// Loads it; mistakes are written to standard error, all of them, and end the command.
    static func load(_ path: String) throws -> RelayConfiguration {
        throw Terminal.failure("\(path): cannot be loaded yet")
    }

    /// Its bytes.
    static func read(_ path: String) throws -> [UInt8] {
        guard let contents = FileManager.default.contents(atPath: path) else {
            throw Terminal.failure("\(path): there is no such file, or it cannot be read")
        }
        return Array(contents)
    }
}
