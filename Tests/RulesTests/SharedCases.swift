import Foundation
import JSON
import Rules

/// Case files that lie beside the project on some machines and are not part of it.
enum SharedCases {
    /// The lines of a file; nil where it is not there.
    static func lines(_ name: String) -> [[UInt8]]? {
        guard let bytes = bytes(name) else { return nil }
        return bytes.split(separator: UInt8(ascii: "\n")).map(Array.init)
    }

    static func bytes(_ name: String) -> [UInt8]? {
        let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let file = package.appending(path: "../shared/rules/\(name)")
        return (try? Foundation.Data(contentsOf: file)).map(Array.init)
    }
}
