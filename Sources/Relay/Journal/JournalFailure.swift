import GRDB

extension JournalError {
    static let diskIsFull = "the disk of the journal is full; free space on it"

    /// What an SQLite error means for the journal's callers, in words that tell what to do.
    ///
    /// No SQL, no values.
    init(_ error: any Error) {
        if let damage = JournalDamage(error) {
            self = .unusable(
                reason: """
                    the journal is damaged: \(damage.what); keep the file, restore a backup, and see what \
                    `okta-relay journal verify` finds
                    """)
            return
        }
        guard let error = error as? DatabaseError else {
            self = error as? JournalError ?? .cannotCommit(reason: "unexpected: \(type(of: error))")
            return
        }
        switch error.resultCode {
        case .SQLITE_FULL:
            self = .cannotCommit(reason: Self.diskIsFull)
        case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM:
            self = .cannotCommit(
                reason: "the journal cannot be written; check the rights and the mount of its folder")
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            self = .cannotCommit(reason: "another process holds the journal's write lock; end it")
        case .SQLITE_MISUSE:
            self = .closed
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            self = .unusable(reason: "the journal's file is damaged; restore it from a backup")
        case .SQLITE_IOERR:
            let code = error.extendedResultCode.rawValue
            self = .cannotCommit(
                reason: """
                    the journal cannot be written or read (SQLite error \(code)); check its disk, and the \
                    rights and the mount of its folder
                    """
            )
        default:
            self = .cannotCommit(reason: "SQLite error \(error.extendedResultCode.rawValue) in the journal")
        }
    }
}
