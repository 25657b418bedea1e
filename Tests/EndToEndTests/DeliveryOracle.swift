import Foundation
import JSON
import Relay
import RelayTesting
import Testing

/// What must be true at every destination once all is settled, whatever happened on the way; told from
/// outside the relay by what was sent, what arrived, and the journal's order.
///
/// Its sinks: both SQLite tables, both PostgreSQL tables, one contact per user, one message per event.
struct DeliveryOracle {
    /// The CRM, which makes a contact for every `POST`.
    let store: ContactStore
    let receiver: HTTPReceiver
    let database: String
    let setup: RelaySetup

    /// - Parameter token: The bearer token of both HTTP sinks.
    init(server: String = #", "shutdownTimeout": "5s""#, token: String = "a-token-for-the-crm") throws {
        let store = ContactStore()
        self.store = store
        receiver = try HTTPReceiver { request in
            request.target == "/messages" ? .respond(200) : store.answer(request)
        }
        database = try PostgresCluster.shared().makeDatabase()
        let auth = #""auth": { "bearer": "\#(token)" },"#
        setup = try RelaySetup(
            server: server,
            sinks: [
                Destinations.sqlite, Destinations.postgresql(database),
                Destinations.contacts(receiver.url, token: token, posts: true),
                Destinations.messages(receiver.url, more: auth),
            ].joined(separator: ","),
            rules: Destinations.rule(to: "users", "audit", "warehouse", "ledger", "crm", "feed"))
    }

    private var journalFile: String { setup.folder.file("journal.sqlite") }

    /// Requests to the sink without state, one per event.
    var messages: [Arrival] {
        get throws {
            try receiver.requests.filter { $0.target == "/messages" }.map { request in
                let message = try JSONDocument(request.body).root
                return Arrival(request, event: message["id"]?.string)
            }
        }
    }

    /// Requests to the sink of contacts, without those that only look.
    var contacts: [Arrival] {
        receiver.requests.filter { $0.target.hasPrefix("/contacts") && $0.method != "GET" }.map {
            Arrival($0, event: $0.header("x-event"))
        }
    }

    /// One request of an HTTP sink.
    struct Arrival {
        let event: String
        let key: String
        /// The bearer token that it came with.
        let token: String
        let request: HTTPReceiver.Request

        init(_ request: HTTPReceiver.Request, event: String?) {
            self.event = event ?? ""
            self.request = request
            key = request.header("idempotency-key") ?? ""
            token = String((request.header("authorization") ?? "").dropFirst("Bearer ".count))
        }
    }

    // MARK: - The journal

    /// The uuids of its events, in its order.
    func journaled() throws -> [String] {
        try Rows.sqlite(journalFile, "SELECT event_id FROM entries ORDER BY \"offset\"").compactMap { $0[0] }
    }

    // MARK: - What must hold

    func expectEverything(of sender: PatientSender) throws {
        let file = setup.folder.file("users.sqlite")
        #expect(try Rows.sqlite(file, "PRAGMA integrity_check") == [["ok"]])
        #expect(try Rows.sqlite(journalFile, "PRAGMA integrity_check") == [["ok"]])

        let ids = sender.events.keys.sorted()
        #expect(try journaled().sorted() == ids)
        let events = "SELECT event_id FROM events ORDER BY event_id"
        #expect(try Rows.sqlite(file, events).map { $0[0] } == ids)
        #expect(try Rows.postgresql(database, "\(events) COLLATE \"C\"").map { $0[0] } == ids)

        let model = try UserModel(sender.events.values)
        let users = "SELECT \(UserModel.columns) FROM users ORDER BY id"
        let rows = try Rows.sqlite(file, users)
        #expect(model.differences(from: rows) == [])
        let warehouse = try Rows.postgresql(database, "\(users) COLLATE \"C\"")
        #expect(model.differences(from: warehouse) == [])

        #expect(Set(try messages.map(\.event)) == Set(ids))
        try expectKeys(messages)
        try expectKeys(contacts)
        try expectOrder(messages, of: sender)
        try expectOrder(contacts, of: sender)
        #expect(differences(store.contacts, from: model.contacts) == [])
        #expect(store.doubled == [])
    }

    /// In a status: each event has ended once for each sink.
    func expectCounts(_ status: JSONValue, of sender: PatientSender) {
        for sink in status["sinks"]?.elements.map({ $0 }) ?? [] {
            let ends = ["delivered", "superseded", "skipped", "dead"].map { sink[$0]?.int ?? -1 }
            let text = String(decoding: sink.raw, as: UTF8.self)
            #expect(ends.reduce(0, +) == sender.events.count && ends[3] == 0, "\(text)")
        }
    }

    /// A repeated request carries the key of the first, and no other event's.
    private func expectKeys(_ arrivals: [Arrival]) throws {
        var keys: [String: String] = [:]
        for arrival in arrivals {
            #expect(!arrival.key.isEmpty)
            let first = keys.updateValue(arrival.key, forKey: arrival.event)
            #expect(first == nil || first == arrival.key, "\(arrival.event) was repeated under another key")
        }
        #expect(Set(keys.values).count == keys.count)
    }

    /// A user's requests come in the journal's order: all of one life of the relay, each once, and over all
    /// lives those that come for the first time.
    private func expectOrder(_ arrivals: [Arrival], of sender: PatientSender) throws {
        let places = Dictionary(uniqueKeysWithValues: try journaled().enumerated().map { ($1, $0) })
        var last: [String: Int] = [:]
        var known: Set<String> = []
        for arrival in arrivals {
            let place = try #require(places[arrival.event])
            let user = sender.events[arrival.event]?.userID ?? ""
            let isFirst = known.insert(arrival.event).inserted
            for lane in ["\(arrival.token) \(user)"] + (isFirst ? [user] : []) {
                #expect(last[lane] ?? -1 < place, "\(arrival.event) of \(lane) came late or twice")
                last[lane] = place
            }
        }
    }
}
