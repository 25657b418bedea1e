import Foundation
import JSON
import Relay
import RelayTesting
import Testing

/// What must be true at every destination once all is settled, whatever happened on the way; told from
/// outside the relay by what was sent, what arrived, and the journal's order.
///
/// Its sinks: both SQLite tables, both PostgreSQL tables, one contact per user, one message per event; which
/// events are for which, ``MixedRoutes`` says.
struct DeliveryOracle {
    /// The CRM, which makes a contact for every `POST`.
    let store: ContactStore
    let receiver: HTTPReceiver
    let database: String
    let setup: RelaySetup
    private let trouble: MomentaryTrouble?

    /// - Parameters:
    ///   - token: The bearer token of both HTTP sinks.
    ///   - trouble: What both HTTP destinations refuse at first; nil for nothing.
    init(
        server: String = #", "shutdownTimeout": "5s""#, token: String = "a-token-for-the-crm",
        trouble: MomentaryTrouble? = nil
    ) async throws {
        let store = ContactStore()
        self.store = store
        self.trouble = trouble
        receiver = try HTTPReceiver { request in
            if let refusal = trouble?.answer(request) { return refusal }
            return request.target == "/messages" ? .respond(200) : store.answer(request)
        }
        database = try await onOwnThread { try PostgresCluster.shared().makeDatabase() }
        let auth = #""auth": { "bearer": "\#(token)" },"#
        setup = try RelaySetup(
            server: server,
            sinks: [
                Destinations.sqlite, Destinations.postgresql(database),
                Destinations.contacts(receiver.url, token: token, posts: true),
                Destinations.messages(receiver.url, more: auth),
            ].joined(separator: ","),
            rules: MixedRoutes.rules)
    }

    private var journalFile: String { setup.folder.file("journal.sqlite") }

    /// Requests to the sink without state, one per event.
    var messages: [Arrival] {
        get throws {
            let refused = trouble?.refused ?? []
            return try receiver.requests.filter { $0.target == "/messages" }.map { request in
                let message = try JSONDocument(request.body).root
                return Arrival(request, event: message["id"]?.string, refused)
            }
        }
    }

    /// Requests to the sink of contacts, without those that only look.
    var contacts: [Arrival] {
        let refused = trouble?.refused ?? []
        return receiver.requests.filter { $0.target.hasPrefix("/contacts") && $0.method != "GET" }.map {
            Arrival($0, event: $0.header("x-event"), refused)
        }
    }

    /// One request of an HTTP sink.
    struct Arrival {
        let event: String
        let key: String
        /// The bearer token that it came with.
        let token: String
        /// Whether the destination did what it was asked for.
        let isTaken: Bool

        init(_ request: HTTPReceiver.Request, event: String?, _ refused: Set<Int>) {
            self.event = event ?? ""
            isTaken = !refused.contains(request.number)
            key = request.header("idempotency-key") ?? ""
            token = String((request.header("authorization") ?? "").dropFirst("Bearer ".count))
        }
    }

    // MARK: - The journal

    /// The uuids of its events, in its order.
    func journaled() async throws -> [String] {
        let query = "SELECT event_id FROM entries ORDER BY \"offset\""
        return try await Rows.sqlite(journalFile, query).compactMap { $0[0] }
    }

    // MARK: - What must hold

    func expectEverything(of sender: PatientSender) async throws {
        let file = setup.folder.file("users.sqlite")
        #expect(try await Rows.sqlite(file, "PRAGMA integrity_check") == [["ok"]])
        #expect(try await Rows.sqlite(journalFile, "PRAGMA integrity_check") == [["ok"]])

        #expect(try await journaled().sorted() == sender.events.keys.sorted())
        let events = "SELECT event_id FROM events ORDER BY event_id"
        let audit = try await Rows.sqlite(file, events).map { $0[0] }
        #expect(try audit == MixedRoutes.events(of: sender, for: "audit").map(\.id).sorted())
        let ledger = try await Rows.postgresql(database, "\(events) COLLATE \"C\"").map { $0[0] }
        #expect(try ledger == MixedRoutes.events(of: sender, for: "ledger").map(\.id).sorted())

        let users = "SELECT \(UserModel.columns) FROM users ORDER BY id"
        let rows = try await Rows.sqlite(file, users)
        #expect(try model(of: "users", sender).differences(from: rows) == [])
        let warehouse = try await Rows.postgresql(database, "\(users) COLLATE \"C\"")
        #expect(try model(of: "warehouse", sender).differences(from: warehouse) == [])

        try await expectRequests(try messages, of: sender, for: "feed")
        // Each of them ends with a request that was taken; a contact hears no more of what it knows already.
        let feed = try MixedRoutes.events(of: sender, for: "feed").map(\.id)
        #expect(Set(try messages.filter(\.isTaken).map(\.event)) == Set(feed))
        try await expectRequests(contacts, of: sender, for: "crm")
        #expect(try differences(store.contacts, from: model(of: "crm", sender).contacts) == [])
        #expect(store.doubled == [])
    }

    /// What the events for one sink come to: no other event may have left a trace there.
    private func model(of sink: String, _ sender: PatientSender) throws -> UserModel {
        try UserModel(MixedRoutes.events(of: sender, for: sink))
    }

    /// In a status: each event has ended once for each sink that it is for, and for no other.
    func expectCounts(_ status: JSONValue, of sender: PatientSender) throws {
        for name in MixedRoutes.sinks {
            let sink = try #require(status.sink(name))
            let ends = ["delivered", "superseded", "skipped", "dead"].map { sink[$0]?.int ?? -1 }
            let count = try MixedRoutes.events(of: sender, for: name).count
            let text = String(decoding: sink.raw, as: UTF8.self)
            #expect(ends.reduce(0, +) == count && ends[3] == 0, "\(count) are for it: \(text)")
        }
        let unrouted = try MixedRoutes.unrouted(of: sender)
        #expect(unrouted > 0 && status.events("unrouted") == unrouted)
        #expect(status.events("accepted") == sender.events.count)
    }

    private func expectRequests(
        _ arrivals: [Arrival], of sender: PatientSender, for sink: String
    ) async throws {
        let events = try MixedRoutes.events(of: sender, for: sink).map(\.id)
        #expect(Set(arrivals.map(\.event)).subtracting(events).isEmpty, "not for \(sink)")
        try expectKeys(arrivals)
        try await expectOrder(arrivals, of: sender)
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

    /// A user's requests come in the journal's order, the next only when the one before was taken: all of one
    /// life of the relay, and over all lives: a crash may repeat one, and none behind its successor.
    private func expectOrder(_ arrivals: [Arrival], of sender: PatientSender) async throws {
        let places = Dictionary(uniqueKeysWithValues: try await journaled().enumerated().map { ($1, $0) })
        var lanes: [String: (place: Int, isTaken: Bool)] = [:]
        var newest: [String: (place: Int, event: String)] = [:]
        var taken: Set<String> = []
        for arrival in arrivals {
            let place = try #require(places[arrival.event])
            let user = sender.events[arrival.event]?.userID ?? ""
            let lane = "\(arrival.token) \(user)"
            if let last = lanes.updateValue((place, arrival.isTaken), forKey: lane) {
                let isNext = last.isTaken ? last.place < place : last.place == place
                #expect(isNext, "\(arrival.event) of \(lane) came late, twice, or before its turn")
            }
            if let last = newest.updateValue((place, arrival.event), forKey: user) {
                let isNext = last.place == place || (last.place < place && taken.contains(last.event))
                #expect(isNext, "\(arrival.event) of \(user) came late, or before its turn")
            }
            if arrival.isTaken { taken.insert(arrival.event) }
        }
    }
}
