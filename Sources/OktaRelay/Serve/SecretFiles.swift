import ArgumentParser
import Foundation
import JSON

/// The secrets that a config file refers to: where they lie, and making those that are missing.
///
/// It reads the file's text and not the loaded configuration, for that holds only the values.
struct SecretFiles {
    /// Where a secret's value comes from.
    enum Source: Equatable {
        /// `${file:path}`; the path is usable from the working directory.
        case file(String)
        /// `${env:NAME}`.
        case environment(String)
        /// Written into the config file itself, or put together from several pieces.
        case text
    }

    /// Each hook's secrets, by the hook's place in the file.
    let hooks: [[Source]]
    /// The admin token, where there is one.
    let admin: Source?

    /// - Parameter path: The config file's path, from which relative paths in it are resolved.
    init(config: [UInt8], path: String) throws(JSONSyntaxError) {
        let root = try JSONDocument(config).root
        let directory = String(path.dropLast(path.lastName.count))
        func source(_ value: JSONValue) -> Source {
            Self.source(value.string ?? "", directory: directory)
        }
        hooks = root["hooks"]?.elements.map { hook in hook["secrets"]?.elements.map(source) ?? [] } ?? []
        admin = root["admin"]?["token"].map(source)
    }

    /// Creates every missing file with a fresh secret, readable by its owner only; returns their paths.
    func createMissing() throws -> [String] {
        var created: [String] = []
        for case .file(let path) in hooks.flatMap(\.self) + (admin.map { [$0] } ?? [])
        where !FileManager.default.fileExists(atPath: path) {
            try Self.create(path)
            created.append(path)
        }
        return created
    }

    private static func source(_ text: String, directory: String) -> Source {
        guard text.hasPrefix("${"), text.hasSuffix("}"), text.lastIndex(of: "$") == text.startIndex else {
            return .text
        }
        let inner = text.dropFirst(2).dropLast()
        if inner.hasPrefix("file:") {
            let path = String(inner.dropFirst(5))
            return .file(path.hasPrefix("/") ? path : directory + path)
        }
        guard inner.hasPrefix("env:") else { return .text }
        return .environment(String(inner.dropFirst(4).prefix { $0 != ":" }))
    }

    private static func create(_ path: String) throws {
        let folder = String(path.dropLast(path.lastName.count))
        do {
            if !folder.isEmpty {
                try FileManager.default.createDirectory(
                    atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            }
        } catch {
            throw Terminal.failure("\(folder): the folder cannot be made: \(error.localizedDescription)")
        }
        let file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            throw Terminal.failure("\(path): cannot be created: \(String(cString: strerror(errno)))")
        }
        defer { close(file) }
        let text = Array("\(fresh())\n".utf8)
        guard write(file, text, text.count) == text.count, fsync(file) == 0 else {
            throw Terminal.failure("\(path): cannot be written: \(String(cString: strerror(errno)))")
        }
    }

    /// 256 bits from the system's generator, in letters that need no quoting anywhere.
    private static func fresh() -> String {
        var random = SystemRandomNumberGenerator()
        let bytes = (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) }
        return Data(bytes).base64EncodedString()
            .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}

extension String {
    /// What stands behind the last slash.
    fileprivate var lastName: Substring { self[(lastIndex(of: "/").map(index(after:)) ?? startIndex)...] }
}
