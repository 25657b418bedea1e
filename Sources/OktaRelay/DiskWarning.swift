import Config
import Relay

/// What an operator should know of the journal's disk before it is full.
enum DiskWarning {
    /// Nil where the disk has room for all that the journal may take.
    static func find(_ journal: JournalConfiguration) -> String? {
        guard let room = SQLiteJournal.roomBytes(path: journal.path), room < journal.sizeMax else {
            return nil
        }
        return """
            journal.maxSize is \(Wording.size(journal.sizeMax)), and the disk of \(journal.path) has \
            \(Wording.size(room)) for it, which is the limit then: from 90 % of it old events go early, and \
            then those of sinks that are disabled or furthest behind; set maxSize to what the journal may \
            really take, or give it a larger disk
            """
    }
}
