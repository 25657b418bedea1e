import Foundation
import JSON
import Rules

/// Case files that lie beside the project on some machines and are not part of it.
enum SharedCases {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../../shared/rules").standardizedFileURL
    /// Whether they are here; what is missing of them then is a failure.
    static let areHere = FileManager.default.fileExists(atPath: folder.path)
    /// What a test that is skipped says.
    static let whyNot = "the shared case files are not beside the project"

    /// The lines of a file.
    static func lines(_ name: String) throws -> [[UInt8]] {
        try bytes(name).split(separator: UInt8(ascii: "\n")).map(Array.init)
    }

    static func bytes(_ name: String) throws -> [UInt8] {
        try Array(Foundation.Data(contentsOf: folder.appending(path: name)))
    }
}
