import Foundation
import GRDB
import JSON

/// Where sinks stand for which something waits, at one instant: what is behind their places is looked through
/// by it, some entries at a time.
struct WaitingPlaces {
    /// Entries read in one transaction: a long one would keep the relay's log from being cut.
    static let chunk = 1_000

    enum Order { case newestFirst, oldestFirst }

    /// Entries that wait, of those that were read.
    struct Page {
        var entries: [Entry] = []
        /// Rows that were read, among them entries that nobody waits for any more.
        var rows = 0
        /// Offsets that are not read yet.
        var rest: Range<Int64>
    }

    struct Entry {
        let offset: Int64
        /// Nil where its bytes are not there, or cannot be read.
        let event: Event?
        /// By their names; those that it waits for behind their cursors.
        let sinks: [String]
    }

    private let places: [SinkPlace]
    /// By the route's number, indexes of the places that it names.
    private let routes: [Int64: [Int]]

    /// Offsets at which something may wait, up to one.
    func offsets(through horizon: Int64) -> Range<Int64> {
        let first = (places.map(\.cursor).min() ?? horizon) + 1
        return min(first, horizon + 1)..<horizon + 1
    }

    /// - Parameter sink: Nil for all.
    init(sink: String?, _ db: Database) throws {
        places = try SinkPlace.all(db).filter { try (sink ?? $0.name) == $0.name && $0.hasWaiting(db) }
        var catalogue = RouteCatalogue()
        var routes: [Int64: [Int]] = [:]
        for (index, place) in places.enumerated() {
            for number in try catalogue.ids(naming: place.name, db) {
                routes[number, default: []].append(index)
            }
        }
        self.routes = routes
    }

    /// Reads entries of a range, from one of its ends.
    func read(
        _ range: Range<Int64>, _ order: Order, _ limit: Int, since: Int64? = nil, until: Int64? = nil,
        _ db: Database
    ) throws -> Page {
        let condition = condition(range, Array(routes.keys), since, until)
        let direction = order == .newestFirst ? "DESC" : "ASC"
        let rows = try StoredRow.fetchCursor(
            db,
            sql: """
                SELECT "offset", route_id, received_at, hooks.name, hooks.org
                FROM entries JOIN hooks ON hooks.id = hook_id
                WHERE \(condition.text) ORDER BY "offset" \(direction) LIMIT ?
                """,
            arguments: condition.arguments + [limit])
        var page = Page(rest: range)
        var last: Int64 = 0
        while let row = try rows.next() {
            page.rows += 1
            last = try row[0]
            let sinks = (routes[try row[1]] ?? []).map { places[$0] }.filter {
                last > $0.cursor && !$0.settledAbove.contains(last)
            }
            guard !sinks.isEmpty else { continue }
            page.entries.append(
                Entry(offset: last, event: try Self.event(row, db), sinks: sinks.map(\.name)))
        }
        let isCut = page.rows == limit
        switch order {
        case .newestFirst: page.rest = range.lowerBound..<(isCut ? last : range.lowerBound)
        case .oldestFirst: page.rest = (isCut ? last + 1 : range.upperBound)..<range.upperBound
        }
        return page
    }

    /// The sinks for which something of a range waits.
    func sinks(
        withWaiting range: Range<Int64>, since: Int64?, until: Int64?, _ db: Database
    ) throws -> [String] {
        try places.enumerated().filter { index, place in
            let numbers = routes.filter { $0.value.contains(index) }.map(\.key)
            let lower = max(range.lowerBound, place.cursor + 1)
            guard lower < range.upperBound else { return false }
            var condition = condition(lower..<range.upperBound, numbers, since, until)
            condition.add(
                #""offset" NOT IN (SELECT value FROM json_each(?))"#, "\(place.settledAbove.sorted())")
            let sql = "SELECT EXISTS (SELECT 1 FROM entries WHERE \(condition.text))"
            return try Bool.fetchOne(db, sql: sql, arguments: condition.arguments) ?? false
        }.map(\.element.name)
    }

    private func condition(
        _ range: Range<Int64>, _ routes: [Int64], _ since: Int64?, _ until: Int64?
    ) -> SQLCondition {
        var condition = SQLCondition()
        condition.add(#""offset" >= ?"#, range.lowerBound)
        condition.add(#""offset" < ?"#, range.upperBound)
        condition.add("route_id IN (SELECT value FROM json_each(?))", "\(routes)")
        condition.add(instants: "received_at", since: since, until: until)
        return condition
    }

    /// - Parameter row: Offset, route, when it was received, hook and org.
    static func event(_ row: StoredRow, _ db: Database) throws -> Event? {
        let select = try db.cachedStatement(sql: #"SELECT body FROM bodies WHERE "offset" = ?"#)
        guard let body = try Data.fetchOne(select, arguments: [row[0] as Int64]),
            let document = try? JSONDocument(Array(body))
        else { return nil }
        let (hook, org, receivedAt): (String, String, Int64) = try (row[3], row[4], row[2])
        return try? Event(body: document, hook: hook, org: org, receivedAt: receivedAt)
    }
}
