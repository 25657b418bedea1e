import Config
import JSON
import Relay
import Rules

/// A batch folded in memory: states as they were in, each key's final change out.
///
/// The whole is a pure function of what a key has seen, so the order of arrival does not matter: a deletion
/// hides columns (in `mark` mode those that tell of life, in `delete` mode all), and what is newer than the
/// deletion is kept with the state until a create brings the row back.
struct TableFold {
    let plan: TablePlan
    /// Rows as the database has them, for ``rowsNeeded(by:)``.
    var existing: [String: RowValues] = [:]
    private var entries: [String: Entry] = [:]
    /// By subject, for tables whose rows go with their user.
    private var tombstones: [String: Entry] = [:]

    /// Nil where a state cannot be read.
    ///
    /// - Parameter rows: The batch, whose keys need not be read out of the stored ones again.
    init?(_ plan: TablePlan, stored: [StoredState], for rows: [TableRow]) {
        self.plan = plan
        var keys: [String: [RenderedValue]] = [:]
        for row in rows { if let text = row.keyText { keys[text] = row.key } }
        for row in stored {
            guard let state = FoldState(json: Array(row.state.utf8)) else { return nil }
            if let values = keys[row.key] ?? RowKey.values(row.key, count: plan.key.count) {
                entries[row.key] = Entry(plan, key: values, subject: row.subject, stored: state)
            } else if let subject = row.subject {
                tombstones[subject] = Entry(plan, key: [], subject: subject, stored: state)
            }
        }
    }

    /// The keys whose states a batch needs, and the subjects all of whose rows it needs.
    static func wanted(by rows: [TableRow], _ plan: TablePlan) -> (keys: [String], subjects: [String]) {
        var keys: Set<String> = []
        var subjects: Set<String> = []
        for row in rows {
            if let key = row.keyText {
                keys.insert(key)
                if plan.operations != nil, let subject = row.subject { keys.insert(tombstoneKey(subject)) }
            } else if let subject = row.subject {
                subjects.insert(subject)
            }
        }
        return (keys.sorted(), subjects.sorted())
    }

    private static func tombstoneKey(_ subject: String) -> String { RenderedValue.string(subject).jsonText }

    /// Keys of rows whose values a deletion may hide though they are newer than it.
    func rowsNeeded(by rows: [TableRow]) -> [[RenderedValue]] {
        var oldest: [String: Stamp] = [:]
        func note(_ stamp: Stamp, _ key: String) {
            oldest[key] = oldest[key].map { min($0, stamp) } ?? stamp
        }
        for row in rows where row.operation == .delete {
            guard let stamp = row.stamp else { continue }
            if let key = row.keyText {
                note(stamp, key)
            } else if let subject = row.subject {
                for (key, entry) in entries where entry.subject == subject { note(stamp, key) }
            }
        }
        return oldest.compactMap { key, stamp in
            guard let entry = entries[key], !entry.state.isDeleted else { return nil }
            return entry.state.stamps.contains { $0.value > stamp } ? entry.key : nil
        }
    }

    /// Applies one row.
    mutating func apply(_ row: TableRow) -> Receipt.Outcome {
        guard let stamp = row.stamp else { return .rejected(reason: "no usable published") }
        guard let key = row.key, let text = row.keyText else { return removeRows(of: row, stamp) }
        let entry = entries[text] ?? Entry(plan, key: key, subject: row.subject)
        entries[text] = entry
        if let subject = row.subject, let tombstone = tombstones[subject] {
            bury(entry, text, under: tombstone.state)
        }
        return apply(row.values, stamp, row.operation, to: entry, text)
    }

    /// What is to be written, each key once, in the order of the keys, which keeps two writers from
    /// deadlocking.
    var write: TableWrite {
        var write = TableWrite()
        for (text, entry) in entries.sorted(by: { $0.key < $1.key }) {
            if entry.isGone || entry.replaces { write.deletions.append(entry.key) }
            if entry.isPresent, !entry.isGone {
                write.rows.append(TableWrite.Row(key: entry.key, values: entry.values))
            }
            if let state = entry.changedState(key: text) { write.states.append(state) }
        }
        for (subject, entry) in tombstones.sorted(by: { $0.key < $1.key }) {
            if let state = entry.changedState(key: Self.tombstoneKey(subject)) { write.states.append(state) }
        }
        return write
    }

    // MARK: - A user's deletion, in a table of other things

    private mutating func removeRows(of row: TableRow, _ stamp: Stamp) -> Receipt.Outcome {
        guard let subject = row.subject else { return .rejected(reason: "no user") }
        let tombstone = tombstones[subject] ?? Entry(plan, key: [], subject: subject)
        tombstones[subject] = tombstone
        let effect = tombstone.state.apply(stamp, .delete, carrying: [])
        let words = row.values.only(plan.lifeColumns)
        if tombstone.state.deleted == stamp {
            tombstone.state.values = Dictionary(
                uniqueKeysWithValues: words.present.map { (plan.columns[$0.column].name, $0.value.jsonText) })
        }
        for text in entries.keys.sorted() where entries[text]?.subject == subject {
            if let entry = entries[text] { _ = apply(words, stamp, .delete, to: entry, text) }
        }
        return effect.isSuperseded ? .superseded : .delivered
    }

    /// A row that is heard of after its user's deletion is under it as well.
    private func bury(_ entry: Entry, _ text: String, under tombstone: FoldState) {
        var words = RowValues(columns: plan.columns.count)
        for (name, value) in tombstone.values {
            if let column = plan.column(named: name) { words[column] = RenderedValue(jsonText: value) }
        }
        for stamp in tombstone.deletes where !entry.state.deletes.contains(stamp) {
            if let buried = entry.state.buried, stamp <= buried { continue }
            _ = apply(words, stamp, .delete, to: entry, text)
        }
    }

    // MARK: - One key

    private func apply(
        _ carried: RowValues, _ stamp: Stamp, _ operation: Operation, to entry: Entry, _ text: String
    ) -> Receipt.Outcome {
        let fields = plan.changing.filter {
            carried[$0] != nil && (operation != .delete || !plan.isHiddenByDeletion($0))
        }
        let effect = entry.state.apply(stamp, operation, carrying: fields.map { plan.columns[$0].name })
        let isDead = entry.state.isDeleted
        clear(effect.voided, isDead: isDead, in: entry)
        switch effect.life {
        case .died: hide(in: entry, text)
        case .revived: reveal(in: entry)
        case .alive, .dead: break
        }
        if isDead, operation == .delete, entry.state.deleted == stamp { speak(carried, in: entry) }
        var isVisible = !effect.voided.isEmpty || effect.life != .dead || operation == .delete
        for column in fields where effect.written.contains(plan.columns[column].name) {
            guard let value = carried[column] else { continue }
            if isDead, plan.isHiddenByDeletion(column) {
                keep(value, column, stamp, in: entry)
            } else {
                entry.values[column] = value
                isVisible = true
            }
        }
        guard !effect.isSuperseded, isVisible else { return .superseded }
        if plan.onDelete == .mark || !isDead {
            entry.isGone = false
            entry.isPresent = true
            for column in plan.columns.indices where plan.columns[column].isInsertOnly {
                if entry.values[column] == nil { entry.values[column] = carried[column] }
            }
        }
        return .delivered
    }

    /// What an earlier life wrote holds no longer.
    ///
    /// A deleted row goes on showing what the deletion said.
    private func clear(_ voided: [String], isDead: Bool, in entry: Entry) {
        for name in voided {
            entry.state.values[name] = nil
            guard let column = plan.column(named: name) else { continue }
            if !(isDead && plan.isHiddenByDeletion(column)) { entry.values[column] = .null }
        }
    }

    /// The row dies; hidden values that are newer than the deletion are kept with the state.
    private func hide(in entry: Entry, _ text: String) {
        guard let deleted = entry.state.deleted else { return }
        for column in plan.changing where plan.isHiddenByDeletion(column) {
            let name = plan.columns[column].name
            guard let stamp = entry.state.stamps[name], stamp > deleted else { continue }
            let value = entry.values[column] ?? existing[text]?[column]
            if let value { entry.state.values[name] = value.jsonText }
        }
        if plan.onDelete == .delete {
            entry.values = RowValues(columns: plan.columns.count)
            entry.isGone = true
        }
    }

    /// The row comes back, with what is newer than its deletion.
    private func reveal(in entry: Entry) {
        for column in plan.changing where plan.isHiddenByDeletion(column) {
            if let text = entry.state.values[plan.columns[column].name] {
                entry.values[column] = RenderedValue(jsonText: text)
            } else if plan.onDelete == .mark {
                entry.values[column] = .null
            }
        }
        entry.state.values = [:]
        if plan.onDelete == .delete { entry.replaces = true }
    }

    /// The newest deletion has the word: in `mark` mode its row says so, in `delete` mode it is gone.
    private func speak(_ carried: RowValues, in entry: Entry) {
        for column in plan.lifeColumns {
            if let value = carried[column] { entry.values[column] = value }
        }
        if plan.onDelete == .delete { entry.isGone = true }
        guard let deleted = entry.state.deleted else { return }
        for name in entry.state.values.keys where entry.state.stamps[name].map({ $0 <= deleted }) ?? true {
            entry.state.values[name] = nil
        }
    }

    private func keep(
        _ value: RenderedValue, _ column: Int, _ stamp: Stamp, in entry: Entry
    ) {
        guard let deleted = entry.state.deleted, stamp > deleted else { return }
        entry.state.values[plan.columns[column].name] = value.jsonText
    }
}

extension TableFold {
    /// One key of the batch: its state, and what becomes of its row.
    ///
    /// An object, so that nothing of it is copied for each event that changes it.
    private final class Entry {
        let key: [RenderedValue]
        let subject: String?
        var state: FoldState
        /// Nil where nothing is stored yet.
        let stored: FoldState?
        /// By column index: what is to be written.
        var values: RowValues
        /// Whether there is something to write to the row.
        var isPresent = false
        /// Whether the row is to go.
        var isGone = false
        /// Whether what the database may have under this key is to go before the row is written.
        var replaces = false

        init(_ plan: TablePlan, key: [RenderedValue], subject: String?, stored: FoldState? = nil) {
            values = RowValues(columns: plan.columns.count)
            self.key = key
            self.subject = subject
            self.stored = stored
            self.state = stored ?? FoldState()
        }

        func changedState(key: String) -> StoredState? {
            guard state != stored else { return nil }
            return StoredState(key: key, subject: subject, state: String(decoding: state.json, as: UTF8.self))
        }
    }
}
