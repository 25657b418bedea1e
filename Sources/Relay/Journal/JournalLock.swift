import Foundation

/// Keeps a second relay off a journal: an advisory lock on a file beside it, which ends with the process.
struct JournalLock: ~Copyable {
    private let descriptor: Int32

    /// The lock lies beside the file itself, whatever links lead to it.
    ///
    /// Throws ``JournalError/unusable(reason:)`` where another process has the lock, and where the file has a
    /// second name: nobody could tell who else has it by that one. A throw closes the descriptor, as the end
    /// of the value does.
    init(journalPath: String) throws(JournalError) {
        let file = Self.withoutLinks(journalPath)
        let path = file + ".lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw .unusable(
                reason:
                    "cannot create \(path): \(String(cString: strerror(errno))); check the folder's rights")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw .unusable(reason: "another relay is running on \(journalPath); stop it first")
        }
        let names = try? FileManager.default.attributesOfItem(atPath: file)[.referenceCount] as? NSNumber
        if let names, names.intValue > 1 {
            throw .unusable(
                reason: "\(journalPath) has more than one name (a hard link); remove the others, or copy it")
        }
    }

    deinit { close(descriptor) }

    /// The path with every symbolic link followed; as it is where the file does not exist yet.
    private static func withoutLinks(_ path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
