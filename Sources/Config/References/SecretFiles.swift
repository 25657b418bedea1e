import Foundation
import JSON

/// The secret files that `serve --init` creates: those of the hooks and of the admin side.
///
/// Only these are the relay's own to choose. A CRM's token or a database's URL is given by somebody else, so
/// a missing file for one stays an error.
public enum SecretFiles {
    /// Why a file could not be created.
    public struct CreationError: Error, Equatable, Sendable, CustomStringConvertible {
        public let description: String
    }

    /// The absolute paths of secret files that the config file names and that are not there; each once.
    ///
    /// Empty where the text is not JSON: loading it says what is wrong.
    public static func missing(
        in bytes: [UInt8], directory: String, surroundings: ConfigSurroundings = .live
    ) -> [String] {
        guard let root = try? JSONDocument(bytes).root else { return [] }
        var values = root["admin"]?["token"].map { [$0] } ?? []
        for hook in root["hooks"]?.elements.map(\.self) ?? [] {
            values += hook["secrets"]?.elements.map(\.self) ?? []
        }
        var paths: [String] = []
        for value in values {
            guard let text = value.string, let parts = try? Reference.parts(of: text), parts.count == 1,
                case .file(let path) = parts[0]
            else { continue }
            let absolute = ConfigSurroundings.absolute(path, in: directory)
            if !paths.contains(absolute), surroundings.read(absolute) == .missing { paths.append(absolute) }
        }
        return paths
    }

    /// Creates the missing secret files, readable by their owner only; never writes over a file.
    ///
    /// - Parameter random: gives that many bytes from a cryptographically secure source.
    /// - Returns: the paths of the files that were created.
    public static func initialise(
        for bytes: [UInt8],
        directory: String,
        surroundings: ConfigSurroundings = .live,
        random: (_ count: Int) -> [UInt8]
    ) throws(CreationError) -> [String] {
        let paths = missing(in: bytes, directory: directory, surroundings: surroundings)
        for path in paths {
            try createDirectory(of: path)
            try create(path, text: base64URL(random(secretBytes)) + "\n")
        }
        return paths
    }

    /// Bytes of randomness in a secret.
    private static let secretBytes = 32

    /// Whether `serve --init` creates a missing file that is referred to from here.
    static func isGenerated(_ pointer: JSONPointer) -> Bool {
        let steps = pointer.description.split(separator: "/")
        return pointer.description == "/admin/token"
            || (steps.count == 4 && steps[0] == "hooks" && steps[2] == "secrets")
    }

    private static func createDirectory(of path: String) throws(CreationError) {
        do {
            try FileManager.default.createDirectory(
                at: URL(fileURLWithPath: path).deletingLastPathComponent(),
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
        } catch {
            throw CreationError(description: "cannot create the directory of \(path); create it yourself")
        }
    }

    private static func create(_ path: String, text: String) throws(CreationError) {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            throw CreationError(description: "cannot create \(path): \(String(cString: strerror(errno)))")
        }
        let bytes = Array(text.utf8)
        let isWritten = write(file, bytes, bytes.count) == bytes.count && fsync(file) == 0
        guard close(file) == 0, isWritten else {
            unlink(path)
            throw CreationError(description: "cannot write \(path); is the disk full?")
        }
    }

    /// RFC 4648 §5, without padding.
    private static func base64URL(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString()
            .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}
