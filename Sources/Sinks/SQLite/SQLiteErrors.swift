import Foundation
import GRDB
import Relay

extension TableFailure {
    /// What an error of SQLite means for a sink.
    ///
    /// No value of a row is in the reason.
    ///
    /// - Parameter path: The file, as the config file names it.
    init(sqlite error: any Error, path: String) {
        if let failure = error as? TableFailure {
            self = failure
            return
        }
        if let error = error as? SinkError {
            self = .sink(error)
            return
        }
        if let error = error as? SQLiteFileError {
            self = .sink(.misconfigured(reason: error.description))
            return
        }
        guard let error = error as? DatabaseError else {
            self = .sink(.unavailable(reason: "\(path): \(type(of: error))"))
            return
        }
        self = Self.classify(error, path: path)
    }

    private static func classify(_ error: DatabaseError, path: String) -> TableFailure {
        switch error.resultCode {
        case .SQLITE_CONSTRAINT, .SQLITE_MISMATCH, .SQLITE_TOOBIG:
            .data(reason(of: error))
        case .SQLITE_FULL: .diskIsFull(path)
        case .SQLITE_BUSY, .SQLITE_LOCKED: .isLocked(path)
        case .SQLITE_READONLY where isDiskReadOnly(of: path), .SQLITE_CANTOPEN where isDiskReadOnly(of: path):
            .sink(.unavailable(reason: "\(path): its disk is mounted read-only; mount it for writing"))
        case .SQLITE_READONLY:
            .sink(.unavailable(reason: "\(path): the file is read-only; check its permissions and its disk"))
        case .SQLITE_IOERR:
            .sink(
                .unavailable(
                    reason:
                        "\(path): it cannot be written or read (\(error.extendedResultCode)); check its disk")
            )
        case .SQLITE_NOMEM, .SQLITE_INTERRUPT, .SQLITE_ABORT, .SQLITE_PROTOCOL:
            .sink(.unavailable(reason: "\(path): \(error.extendedResultCode)"))
        case .SQLITE_NOTADB:
            .sink(.misconfigured(reason: "\(path): the file is not a SQLite database"))
        case .SQLITE_CORRUPT:
            .sink(.misconfigured(reason: "\(path): the database is damaged; restore a backup"))
        case .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_AUTH:
            .sink(.misconfigured(reason: "\(path): the file cannot be opened; check path and permissions"))
        default:
            // "no such table", "no such column": SQLite's message names parts of the schema, no values.
            .sink(.misconfigured(reason: "\(path): \(error.message ?? "\(error.extendedResultCode)")"))
        }
    }

    private static func diskIsFull(_ path: String) -> TableFailure {
        .sink(.unavailable(reason: "\(path): the disk is full; free some space"))
    }

    private static func isLocked(_ path: String) -> TableFailure {
        .sink(.unavailable(reason: "\(path): another process has the file locked"))
    }

    /// Whether another connection may fare better.
    ///
    /// One that has met damage keeps the damaged pages, and one whose file moved or whose disk failed may
    /// never recover. A full disk and a lock are nothing of the connection's.
    func mayBeConnections(path: String) -> Bool {
        switch self {
        case .sink: self != .diskIsFull(path) && self != .isLocked(path)
        case .data, .unclear, .conflict: false
        }
    }

    /// A disk becomes read-only by itself when it fails: nobody has to change the config.
    private static func isDiskReadOnly(of path: String) -> Bool {
        var disk = statvfs()
        guard statvfs(URL(fileURLWithPath: path).deletingLastPathComponent().path, &disk) == 0 else {
            return false
        }
        return disk.f_flag & UInt(ST_RDONLY) != 0
    }

    /// These messages name the constraint or the column; a trigger's own text may say anything.
    private static func reason(of error: DatabaseError) -> String {
        let code = "SQLite: result code \(error.extendedResultCode)"
        return switch error.extendedResultCode {
        case .SQLITE_CONSTRAINT_NOTNULL, .SQLITE_CONSTRAINT_UNIQUE, .SQLITE_CONSTRAINT_PRIMARYKEY,
            .SQLITE_CONSTRAINT_CHECK, .SQLITE_CONSTRAINT_FOREIGNKEY:
            error.message.map { "\(code): \($0)" } ?? code
        case .SQLITE_CONSTRAINT_DATATYPE:
            // "cannot store TEXT value in INTEGER column users.age"
            error.message.map { "\(code): \($0)" } ?? code
        case .SQLITE_MISMATCH: "\(code): an INTEGER PRIMARY KEY holds whole numbers only"
        default: code
        }
    }
}
