import Foundation

/// A file beside the journal that only takes up room, so that there is some when the disk is full: it is let
/// go, and settling and deleting, which make room, can go on.
///
/// Owned by the writer thread.
struct JournalReserve {
    /// What a checkpoint may need: it copies the write-ahead log into the file before the log is cut.
    private static let bytesMax = 64 * 1024 * 1024

    private let path: String
    private let folder: String
    let bytes: Int
    /// Whether the room was needed and is not taken up again.
    private(set) var isReleased = false

    /// - Parameter sizeMax: The journal's; the reserve is a sixteenth of it, and of the disk, at most.
    init(journalPath: String, sizeMax: Int) {
        path = journalPath + ".reserve"
        folder = JournalFile.folder(of: journalPath)
        bytes = min(Self.bytesMax, sizeMax / 16, (Disk(of: folder)?.totalBytes ?? .max) / 16)
    }

    /// Takes the room up where it is not; false where the disk has not enough for it and as much again.
    mutating func take() -> Bool {
        if !isReleased, isTaken { return true }
        guard let disk, disk.availableBytes >= 2 * bytes, allocate() else { return false }
        isReleased = false
        return true
    }

    /// Gives the room to whoever writes next.
    mutating func release() {
        isReleased = true
        unlink(path)
    }

    /// Whether the disk has next to nothing left, whatever error a write ended with.
    var isDiskFull: Bool { (disk?.availableBytes ?? .max) < 64 * 1024 }

    /// The journal's; nil where the system does not tell.
    var disk: Disk? { Disk(of: folder) }

    /// Whether its file is there, as long as it has to be; whoever let it go.
    var isTaken: Bool { JournalSpace.bytes(ofFile: path) >= bytes }

    private func allocate() -> Bool {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { return false }
        defer { close(file) }
        if posix_fallocate(file, 0, off_t(bytes)) == 0 { return true }
        unlink(path)
        return false
    }
}

/// How large a disk is, and how much of it anybody may still take.
struct Disk {
    let totalBytes: Int
    let availableBytes: Int
    /// The same for two folders of one disk; 0 where the file system tells nothing.
    let id: UInt

    /// Nil where there is no such folder.
    init?(of folder: String) {
        var disk = statvfs()
        guard statvfs(folder, &disk) == 0 else { return nil }
        let unit = Int(disk.f_frsize)
        totalBytes = Int(disk.f_blocks) * unit
        availableBytes = Int(disk.f_bavail) * unit
        id = UInt(disk.f_fsid)
    }
}
