import Foundation

/// A program of the system that a test runs to its end, such as `mount`; until then it blocks.
public enum SystemCommand {
    /// - Throws: `EPERM` where the program does not end well.
    public static func run(_ command: String...) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw POSIXError(.EPERM) }
    }
}
