import Foundation

/// A small file system in memory, mounted for one test: a disk that can be full, or read-only.
public final class ScratchDisk: Sendable {
    /// Mounting needs root, and a kernel that lets it.
    public static let isAvailable = (try? ScratchDisk(megabytes: 1)) != nil
    /// What a test that is skipped says.
    public static let whyNot = "mounting a small tmpfs needs root, and is not permitted here"

    private let folder: TemporaryFolder
    public var path: String { folder.path }

    public init(megabytes: Int) throws {
        folder = try TemporaryFolder()
        try SystemCommand.run("mount", "-t", "tmpfs", "-o", "size=\(megabytes)m", "tmpfs", folder.path)
    }

    /// Whatever is still open on it keeps it until it is closed.
    deinit { try? SystemCommand.run("umount", "-l", folder.path) }

    /// A path on it.
    public func file(_ name: String) -> String { folder.file(name) }

    /// Takes all the space that is left, but for so much.
    public func fill(leaving bytes: UInt64 = 0) throws {
        _ = FileManager.default.createFile(atPath: file("filler"), contents: nil)
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file("filler")))
        let block = [UInt8](repeating: 1, count: 4_096)
        while (try? handle.write(contentsOf: block)) != nil {}
        try handle.truncate(atOffset: try handle.offset() - bytes)
        try handle.close()
    }

    /// Gives back what ``fill()`` took.
    public func makeSpace() throws { try FileManager.default.removeItem(atPath: file("filler")) }

    /// Nothing on it may be open for writing then.
    public func makeReadOnly() throws { try SystemCommand.run("mount", "-o", "remount,ro", path) }
    public func makeWritable() throws { try SystemCommand.run("mount", "-o", "remount,rw", path) }
}
