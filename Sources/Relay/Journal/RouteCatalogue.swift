import Foundation
import GRDB
import JSON
import Rules

/// The distinct routes, each with a number that entries store in place of it.
///
/// The writer thread owns one to turn routes into numbers, the reader thread another to turn them back.
struct RouteCatalogue {
    private var ids: [Route: Int64] = [:]
    /// Per number the rules by the sinks that they chose.
    private var choices: [Int64: [String: String]] = [:]
    /// The table was read up to this number; single routes behind it may be known as well.
    private var readTo: Int64 = 0

    /// The number of a route, which is new in the table where it has none yet.
    mutating func id(of route: Route, _ db: Database) throws -> Int64 {
        if let id = ids[route] { return id }
        let text = Self.text(of: route)
        let select = try db.cachedStatement(sql: "SELECT min(id) FROM routes WHERE choices = ?")
        if let id = try Int64.fetchOne(select, arguments: [text]) {
            remember(id, route)
            return id
        }
        try db.cachedStatement(sql: "INSERT INTO routes (choices) VALUES (?)").execute(arguments: [text])
        remember(db.lastInsertedRowID, route)
        return db.lastInsertedRowID
    }

    /// The rules of the route with that number, by the sinks that they chose.
    mutating func choices(of id: Int64, _ db: Database) throws -> [String: String] {
        if choices[id] == nil { try refresh(db) }
        return choices[id] ?? [:]
    }

    /// The numbers of all routes that name the sink.
    mutating func ids(naming sink: String, _ db: Database) throws -> [Int64] {
        try refresh(db)
        return choices.compactMap { id, choices in choices[sink] == nil ? nil : id }
    }

    /// Forgets everything, as after a rollback that took new numbers back.
    mutating func forget() { self = RouteCatalogue() }

    /// Gives a sink another name in all stored routes.
    ///
    /// Other catalogues of the file have to forget theirs.
    mutating func rename(_ former: String, to name: String, _ db: Database) throws {
        for id in try ids(naming: former, db) {
            let select = "SELECT choices FROM routes WHERE id = ?"
            guard let text = try String.fetchOne(db, sql: select, arguments: [id]) else { continue }
            let route = try Self.route(ofText: text).renaming([former: name])
            try db.execute(
                sql: "UPDATE routes SET choices = ? WHERE id = ?", arguments: [Self.text(of: route), id])
        }
        forget()
    }

    private mutating func refresh(_ db: Database) throws {
        let statement = try db.cachedStatement(sql: "SELECT id, choices FROM routes WHERE id > ? ORDER BY id")
        let rows = try StoredRow.fetchAll(statement, arguments: [readTo])
        for row in rows {
            try remember(row[0], Self.route(ofText: row[1]))
            readTo = try row[0]
        }
    }

    private mutating func remember(_ id: Int64, _ route: Route) {
        ids[route] = id
        choices[id] = Dictionary(route.choices.map { ($0.sink, $0.rule) }) { first, _ in first }
    }

    private static func text(of route: Route) -> String {
        var writer = JSONWriter()
        writer.array { choices in
            for choice in route.choices {
                choices.array { pair in
                    pair.string(choice.sink)
                    pair.string(choice.rule)
                }
            }
        }
        return writer.text
    }

    /// The numbers of routes that cannot be read.
    static func damaged(_ db: Database) throws -> [Int64] {
        try StoredRow.fetchAll(db, sql: "SELECT id, choices FROM routes ORDER BY id").compactMap { row in
            (try? route(ofText: row[1])) == nil ? try row[0] : nil
        }
    }

    private static func route(ofText text: String) throws -> Route {
        let pairs = try? JSONDocument(text).root.elements.map { $0.elements.compactMap(\.string) }
        guard let pairs, pairs.allSatisfy({ $0.count == 2 }) else {
            throw JournalDamage(what: "a stored route cannot be read")
        }
        return Route(choices: pairs.map { Route.Choice(sink: $0[0], rule: $0[1]) })
    }
}
