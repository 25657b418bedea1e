import Config
import Foundation
import JSON
import Relay
import Rules

/// The rows about single parts, in this process: reading, routing and rendering an event, and what the
/// journal's two transactions cost.
extension Suite {
    /// Row p.
    func partRows() throws {
        try scannerRow()
        try routeAndTemplateRows()
        try journalRows()
    }

    /// Both against what one would write by hand over what Foundation's reader gives.
    private func routeAndTemplateRows() throws {
        let events = Array(source.stored(1_000))
        let objects = try events.map { event in
            let object = try JSONSerialization.jsonObject(with: Data(event.body.bytes))
            return object as? [String: Any] ?? [:]
        }
        let table = RuleTable([
            Rule(name: "all", events: [EventTypePattern("user.*")], sinks: ["users"])
        ])
        let template = try Template(JSONDocument(Self.contact).root, place: .value)
        var found = 0
        let routing = (0..<options.pairs).map { _ in
            let own = nanoseconds(events) {
                found += table.route($0.routingFacts, event: $0.body.root).choices.count
            }
            let byHand = nanoseconds(objects) { object in
                found += (object["eventType"] as? String)?.hasPrefix("user.") == true ? 1 : 0
            }
            return (own, byHand)
        }
        let rendering = (0..<options.pairs).map { _ in
            let own = nanoseconds(events) { event in
                if case .json(let text) = try? template.render(event.body.root) { found += text.count }
            }
            let byHand = nanoseconds(objects) { found += Self.contactByHand($0)?.count ?? 0 }
            return (own, byHand)
        }
        precondition(found > 0, "nothing was routed or rendered")
        try add(Figure("p. route, one rule, against an if", "ns/event", pairs: routing, atLeast: nil))
        try add(
            Figure(
                "p. template, three placeholders, against JSONSerialization", "ns/event", pairs: rendering,
                atLeast: nil))
    }

    /// What the template says.
    private static func contactByHand(_ event: [String: Any]) -> Data? {
        guard let target = (event["target"] as? [[String: Any]])?.first else { return nil }
        let contact = [
            "login": target["alternateId"], "name": target["displayName"], "at": event["published"],
        ].compactMapValues(\.self)
        return try? JSONSerialization.data(withJSONObject: contact)
    }

    private static let contact =
        #"{"login":"{{ $.target[0].alternateId }}","name":"{{ $.target[0].displayName }}","at":"{{ $.published }}"}"#

    /// An event's text to an index of its values, against Foundation's reader of JSON.
    private func scannerRow() throws {
        let texts = source.stored(1_000).map(\.body.bytes)
        var found = 0
        let pairs = (0..<options.pairs).map { _ in
            let foundation = nanoseconds(texts) { text in
                found += (try? JSONSerialization.jsonObject(with: Data(text))) == nil ? 0 : 1
            }
            let own = nanoseconds(texts) { text in
                found += (try? JSONDocument(text))?.root.kind == .object ? 1 : 0
            }
            return (own, foundation)
        }
        precondition(found > 0, "nothing was read")
        try add(Figure("p. scanner, against JSONSerialization", "ns/event", pairs: pairs, atMost: 0.5))
    }

    /// Nanoseconds an element, the best of ten rounds.
    private func nanoseconds<Element>(_ elements: [Element], _ body: (Element) -> Void) -> Double {
        let rounds = (0..<10).map { _ in
            let start = monotonic()
            for element in elements { body(element) }
            return Double(monotonic() - start) / Double(elements.count)
        }
        return rounds.min() ?? 0
    }

    // MARK: - The journal

    /// Appends of one event each, 64 at a time, against one plain writer with 64 rows a transaction; and
    /// settlements of 64 deliveries each, one after the other, against a plain transaction for each.
    private func journalRows() throws {
        let count = 20_000
        var appends: [(Double, Double)] = []
        var settles: [(Double, Double)] = []
        for _ in 0..<options.pairs {
            let folder = try makeFolder()
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let rows = source.stored(count).map { event -> [[CChar]?] in
                [Array(String(decoding: event.body.bytes, as: UTF8.self).utf8CString)]
            }
            let writer = try Loaders.sqlite(
                rows, create: "CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB)",
                insert: "INSERT INTO bodies (body) VALUES (?)", path: "\(folder)/bodies.sqlite", batch: 64)
            let events = Array(source.stored(count))
            let figures = try Backlog.block {
                try await Self.measureJournal("\(folder)/journal.sqlite", events)
            }
            appends.append((figures.appends, writer))
            // A transaction for each 64, of one row.
            let cursors = try Loaders.sqlite(
                (0..<count / 64).map { [Array("\($0)".utf8CString)] },
                create: "CREATE TABLE cursors (id INTEGER PRIMARY KEY, place TEXT)",
                insert: "INSERT INTO cursors (place) VALUES (?)", path: "\(folder)/cursors.sqlite", batch: 1)
            settles.append((figures.settles, 64 * cursors))
        }
        try add(Figure("p. journal append, 64 at a time", "events/s", pairs: appends, atLeast: nil))
        try add(
            Figure(
                "p. settle, 64 deliveries each, against a row each", "events/s", pairs: settles, atLeast: nil))
    }

    private static func measureJournal(
        _ path: String, _ events: [Event]
    ) async throws -> (appends: Double, settles: Double) {
        let journal = try await SQLiteJournal(
            path: path, retention: .seconds(30 * 86_400), clock: SystemClock())
        let lease = try await journal.lease("users")
        let route = Route(choices: [Route.Choice(sink: "users", rule: "all")])
        let start = monotonic()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<64 {
                group.addTask {
                    for index in stride(from: lane, to: events.count, by: 64) {
                        let routed = Submission.RoutedEvent(event: events[index], route: route)
                        _ = try await journal.append(Submission(events: [routed]))
                    }
                }
            }
            try await group.waitForAll()
        }
        let appended = monotonic()
        for last in stride(from: 64, through: events.count, by: 64) {
            let settlement = Settlement(
                sink: "users", epoch: lease.epoch, cursor: Offset(rawValue: Int64(last)), settledAbove: [],
                outcomes: [.delivered: 64],
                ended: (last - 63...last).map { Offset(rawValue: Int64($0)) })
            _ = try await journal.record(settlement)
        }
        let settled = monotonic()
        await journal.close()
        let count = Double(events.count)
        return (count * 1e9 / Double(appended - start), count * 1e9 / Double(settled - appended))
    }
}
