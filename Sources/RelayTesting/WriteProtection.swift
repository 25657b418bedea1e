import Foundation

/// Makes files unwritable under a process that has them open, root included, as a disk that fails does.
public enum WriteProtection {
    /// It takes root, and a file system with immutable files that looks at each write (ext4).
    public static let isAvailable: Bool = {
        guard let folder = try? TemporaryFolder() else { return false }
        let path = folder.file("probe")
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        guard let handle = FileHandle(forWritingAtPath: path), (try? protect(path)) != nil else {
            return false
        }
        defer { try? unprotect(path) }
        return (try? handle.write(contentsOf: [1])) == nil
    }()
    /// What a test that is skipped says.
    public static let whyNot = "chattr +i needs root and ext4, and does not work here"

    public static func protect(_ paths: String...) throws {
        for path in paths { try SystemCommand.run("chattr", "+i", path) }
    }

    /// Must follow, or the files cannot be removed.
    public static func unprotect(_ paths: String...) throws {
        for path in paths { try SystemCommand.run("chattr", "-i", path) }
    }
}
