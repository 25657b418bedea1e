import CDispatch  // On Linux `stat` counts to it.
import Foundation

/// A file as it was found at a path, by what tells it from another one at the same path.
struct FileLook: Equatable, Sendable {
    private let device: dev_t
    private let inode: ino_t
    private let seconds: Int
    private let nanoseconds: Int
    /// Bytes.
    let size: Int

    /// Nil where nothing is there.
    init?(_ path: String) {
        var found = stat()
        guard stat(path, &found) == 0 else { return nil }
        device = found.st_dev
        inode = found.st_ino
        seconds = Int(found.st_mtim.tv_sec)
        nanoseconds = Int(found.st_mtim.tv_nsec)
        size = Int(found.st_size)
    }

    /// Whether it is that file, whatever was written to it meanwhile.
    func isSameFile(as other: FileLook) -> Bool { device == other.device && inode == other.inode }
}
