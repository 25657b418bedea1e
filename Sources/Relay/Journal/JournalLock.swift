import Foundation

/// Keeps a second relay off a journal: an advisory lock on a file beside it, which ends with the process.
struct JournalLock: ~Copyable {
    private let descriptor: Int32

    /// Takes the lock; a throw closes the descriptor, as the end of the value does.
    ///
    /// - Parameter journalPath: Of the file itself, whatever links lead to it.
    /// - Throws: ``JournalError/unusable(reason:)`` where another process has the lock, and where the file
    ///   has a second name: nobody could tell who else has it by that one.
    init(journalPath: String) throws(JournalError) {
        let path = journalPath + ".lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw .unusable(
                reason:
                    "cannot create \(path): \(String(cString: strerror(errno))); check the folder's rights")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw .unusable(
                reason: """
                    \(journalPath) is in use: by another relay, which has to be stopped first, or by a \
                    command that changes it, which ends by itself
                    """)
        }
        let file = try? FileManager.default.attributesOfItem(atPath: journalPath)
        if let names = file?[.referenceCount] as? NSNumber, names.intValue > 1 {
            throw .unusable(
                reason: "\(journalPath) has more than one name (a hard link); remove the others, or copy it")
        }
    }

    deinit { close(descriptor) }
}
