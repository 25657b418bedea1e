import GRDB

/// What waits for a sink in a part of the log, counted beside the writer: that takes half a second for a
/// million entries, and no commit shall wait for it.
///
/// It holds in the writer's transaction, whatever the sink has settled meanwhile. An entry never changes its
/// route; one that the sink has before it never goes; and a ``SurveyHold`` keeps those behind it for as long.
/// So the writer leaves out what was settled since, and looks itself only at what no stretch covers.
struct WaitingSurvey: Sendable {
    /// The sink has moved further meanwhile than the writer has time to look.
    struct Outdated: Error {}

    /// A part of the log that was counted at once.
    private struct Stretch {
        let after: Int64
        let through: Int64
        let entries: EntryRange?
    }

    /// Offsets in a stretch, and offsets that the writer looks at itself: a few milliseconds' worth.
    static let stretchMax: Int64 = 4_000

    /// Settled or parked above the cursor, and left out.
    private let settled: Set<Int64>
    /// Ascending and without gaps.
    private let stretches: [Stretch]

    /// Counts from a sink's place to an offset before or behind it, each stretch in a read of its own.
    ///
    /// Nil where the journal does not know the sink.
    init?(_ sink: String, to target: Int64, _ queue: DatabaseQueue) throws {
        var routes = RouteCatalogue()
        // In one read: what comes behind the horizon may have a route that is new.
        let found = try queue.read { db -> (SinkPlace, [Int64], Int64)? in
            guard let place = try SinkPlace.named(sink, db) else { return nil }
            let numbers = try routes.ids(naming: sink, db)
            let horizon = try Int64.fetchOne(db, sql: #"SELECT max("offset") FROM entries"#)
            return (place, numbers, horizon ?? 0)
        }
        guard let (place, numbers, horizon) = found else { return nil }
        let last = min(max(target, place.cursor), horizon)
        settled = place.settledAbove
        stretches = try stride(from: min(target, place.cursor), to: last, by: Int(Self.stretchMax)).map {
            after in
            let through = min(after + Self.stretchMax, last)
            return Stretch(
                after: after, through: through,
                entries: try queue.read {
                    try place.entries(after: after, through: through, routes: numbers, $0)
                })
        }
    }

    /// What waits at a place now in a part of the log, without what is parked below the cursor.
    ///
    /// - Parameter looksMax: Offsets that may be looked at here; where that is too little, it throws
    ///   ``Outdated``.
    func entries(
        of place: SinkPlace, after first: Int64, through last: Int64, routes: [Int64], looksMax: Int64,
        _ db: Database
    ) throws -> EntryRange? {
        // Somebody has moved the sink back.
        guard settled.allSatisfy({ $0 <= place.cursor || place.settledAbove.contains($0) }) else {
            throw Outdated()
        }
        let whole = stretches.filter { $0.after >= first && $0.through <= last }
        let (begin, end) = (whole.first?.after ?? last, whole.last?.through ?? last)
        guard begin - first + last - end <= looksMax else { throw Outdated() }
        var found = try place.entries(after: first, through: begin, routes: routes, db)
        found.add(try place.entries(after: end, through: last, routes: routes, db))
        var counted: EntryRange?
        for stretch in whole { counted.add(stretch.entries) }
        let settledSince = place.settledAbove.subtracting(settled).count { $0 > begin && $0 <= end }
        found.add(counted?.without(settledSince))
        return found
    }
}

/// While it is alive, no entry behind an offset goes from the journal, so that a survey of them stays true.
final class SurveyHold: Sendable {
    let offset: Int64

    init(behind offset: Int64) { self.offset = offset }
}
