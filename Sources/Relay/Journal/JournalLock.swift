import Foundation

/// Keeps a second relay off a journal: an advisory lock on a file beside it, which ends with the process.
struct JournalLock: ~Copyable {
    private let descriptor: Int32

    /// Throws ``JournalError/unusable(reason:)`` where another process has the lock.
    init(journalPath: String) throws(JournalError) {
        let path = journalPath + ".lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw .unusable(
                reason:
                    "cannot create \(path): \(String(cString: strerror(errno))); check the folder's rights")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw .unusable(reason: "another relay is running on \(journalPath); stop it first")
        }
    }

    deinit { close(descriptor) }
}
