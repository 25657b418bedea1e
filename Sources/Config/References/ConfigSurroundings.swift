import Foundation

/// What a config file may refer to: the environment and other files.
public struct ConfigSurroundings: Sendable {
    /// What reading a file gave.
    public enum FileReading: Sendable, Equatable {
        case contents([UInt8])
        case missing
        /// It is there but cannot be read; the reason, for a person.
        case unreadable(String)
    }

    /// The value of an environment variable; nil where it is unset.
    public var variable: @Sendable (String) -> String?
    /// Reads a file by its absolute path.
    public var read: @Sendable (String) -> FileReading

    public init(
        variable: @escaping @Sendable (String) -> String?,
        read: @escaping @Sendable (String) -> FileReading
    ) {
        self.variable = variable
        self.read = read
    }

    /// This process's environment and this machine's files.
    public static let live = ConfigSurroundings(
        variable: { ProcessInfo.processInfo.environment[$0] },
        read: { path in
            var isDirectory: ObjCBool = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
                return .missing
            }
            if isDirectory.boolValue { return .unreadable("it is a directory") }
            guard FileManager.default.isReadableFile(atPath: path) else {
                return .unreadable("permission denied")
            }
            return FileManager.default.contents(atPath: path).map { .contents([UInt8]($0)) }
                ?? .unreadable("reading it failed")
        }
    )

    /// A path as the config file means it: absolute, relative ones taken from the file's directory.
    static func absolute(_ path: String, in directory: String) -> String {
        let joined = path.hasPrefix("/") ? path : "\(directory)/\(path)"
        return URL(fileURLWithPath: joined).standardizedFileURL.path
    }
}

extension ConfigLoader {
    static var currentDirectory: String { FileManager.default.currentDirectoryPath }

    static func directory(of path: String) -> String {
        URL(fileURLWithPath: path).deletingLastPathComponent().standardizedFileURL.path
    }
}
