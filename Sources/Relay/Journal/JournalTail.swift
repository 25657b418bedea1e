import JSON
import Synchronization

/// The newest committed entries that any sink wants, in memory, so that a sink that keeps up reads nothing
/// back from disk.
///
/// Bounded by entries and by the memory that events take. Written by the writer thread, read from any task.
final class JournalTail: Sendable {
    struct Entry: Sendable {
        let offset: Int64
        let event: Event
        var choices: [String: String]
        let replay: String?
    }

    private struct State {
        var entries: ArraySlice<Entry> = []
        var bytes = 0
        /// Of those that were dropped and are still behind the slice.
        var bytesDropped = 0
        /// The newest committed offset, whether its entry is still here or not.
        var horizon: Int64
        /// Everything that is routed behind this offset, up to the horizon, is here.
        var start: Int64
    }

    private let entriesMax: Int
    private let bytesMax: Int
    private let state: Mutex<State>

    init(entriesMax: Int = 8_192, bytesMax: Int = 12 * 1024 * 1024) {
        self.entriesMax = entriesMax
        self.bytesMax = bytesMax
        state = Mutex(State(horizon: 0, start: 0))
    }

    /// Starts empty behind what a file holds already.
    func begin(at horizon: Int64) {
        state.withLock { $0 = State(horizon: horizon, start: horizon) }
    }

    var horizon: Int64 { state.withLock(\.horizon) }

    /// Adds what one commit appended and routed; nothing else was up to `horizon`.
    func publish(_ entries: [Entry], upTo horizon: Int64) {
        state.withLock { state in
            state.entries.append(contentsOf: entries)
            state.bytes += entries.reduce(0) { $0 + $1.event.footprint }
            state.horizon = horizon
            while state.entries.count > entriesMax || state.bytes > bytesMax,
                let first = state.entries.popFirst()
            {
                state.bytes -= first.event.footprint
                state.bytesDropped += first.event.footprint
                state.start = first.offset
            }
            // A slice keeps what was popped alive until it is copied.
            if state.bytesDropped > bytesMax / 8 {
                state.entries = ArraySlice(Array(state.entries))
                state.bytesDropped = 0
            }
        }
    }

    /// Gives sinks other names, old to new, in what is here.
    ///
    /// What was for a sink that had the new name before is for nobody any more.
    ///
    /// - Parameter last: The newest entry before the rename; those behind it have the new names already.
    func rename(_ names: [String: String], upTo last: Int64) {
        state.withLock { state in
            for index in state.entries.startIndex..<Self.firstIndex(behind: last, in: state.entries) {
                for (former, name) in names {
                    let rule = state.entries[index].choices.removeValue(forKey: former)
                    state.entries[index].choices[name] = rule
                }
            }
        }
    }

    /// The sink's entries behind an offset; nil where they reach back beyond the tail.
    func read(_ sink: String, after offset: Int64, limit: ReadLimit) -> JournalPage? {
        state.withLock { state in
            guard offset >= state.start else { return nil }
            var found: [JournalEntry] = []
            var bytes = 0
            var index = Self.firstIndex(behind: offset, in: state.entries)
            while index < state.entries.endIndex {
                let entry = state.entries[index]
                if let rule = entry.choices[sink] {
                    let size = entry.event.footprint
                    let isFull =
                        found.count == limit.entries || (!found.isEmpty && bytes + size > limit.bytes)
                    if isFull {
                        let end = Offset(rawValue: state.entries[index - 1].offset)
                        return JournalPage(entries: found, end: end, isAtHorizon: false)
                    }
                    bytes += size
                    found.append(
                        JournalEntry(
                            offset: Offset(rawValue: entry.offset),
                            event: entry.event,
                            rule: rule,
                            replay: entry.replay
                        )
                    )
                }
                index += 1
            }
            return JournalPage(entries: found, end: Offset(rawValue: state.horizon), isAtHorizon: true)
        }
    }

    private static func firstIndex(behind offset: Int64, in entries: ArraySlice<Entry>) -> Int {
        var range = entries.indices
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            range =
                entries[middle].offset <= offset
                ? (middle + 1)..<range.upperBound : range.lowerBound..<middle
        }
        return range.lowerBound
    }
}
