import Foundation

/// The `okta-relay` executable that was built together with the running tests.
public enum RelayBinary {
    /// Beside the test bundle, which is the process itself.
    public static func path() throws -> String {
        let process = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let path = (process as NSString).deletingLastPathComponent + "/okta-relay"
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw RelayProcessError("there is no \(path): build with `swift build --build-tests`")
        }
        return path
    }

    /// Runs a command to its end.
    ///
    /// - Parameters:
    ///   - arguments: `["status", "--json"]`, say.
    ///   - folder: The working directory.
    public static func run(_ arguments: [String], in folder: String) async throws -> Outcome {
        let process = Process()
        let output = FileCapture(folder), errors = FileCapture(folder)
        process.executableURL = URL(fileURLWithPath: try path())
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try output.handle()
        process.standardError = try errors.handle()
        let (ends, end) = AsyncStream.makeStream(of: Int32.self)
        process.terminationHandler = { end.yield($0.terminationStatus) }
        try process.runWithSignals()
        var status: Int32 = -1
        for await value in ends {
            status = value
            break
        }
        return Outcome(status: status, output: try output.text(), errors: try errors.text())
    }

    /// What a command left behind.
    public struct Outcome: Sendable {
        /// The exit code.
        public let status: Int32
        /// Standard output.
        public let output: String
        /// Standard error.
        public let errors: String
    }

    /// A file takes any amount of output without a reader; it goes with its folder.
    private struct FileCapture {
        let path: String

        init(_ folder: String) { path = folder + "/output-" + UUID().uuidString }

        func handle() throws -> FileHandle {
            _ = FileManager.default.createFile(atPath: path, contents: nil)
            return try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        }

        func text() throws -> String { try String(contentsOfFile: path, encoding: .utf8) }
    }
}
