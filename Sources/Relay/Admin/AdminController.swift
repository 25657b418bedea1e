import Config
import Foundation
import HTTPTypes
import JSON
import Logging
import Synchronization

/// Answers the operator's requests: health, metrics, and what the journal and the sinks hold.
struct AdminController: Sendable {
    /// What the admin side shows.
    let sources: AdminSources
    let metrics: RelayMetrics
    let readiness: Readiness
    let clock: any RelayClock
    private let token: LiveToken
    private let refusals: RefusalLog
    private let page = AdminPage()

    init(
        token: Secret, sources: AdminSources, metrics: RelayMetrics, readiness: Readiness,
        clock: any RelayClock, logger: Logger
    ) {
        self.token = LiveToken(token)
        self.sources = sources
        self.metrics = metrics
        self.readiness = readiness
        self.clock = clock
        refusals = RefusalLog(clock: clock, logger: logger)
    }

    /// Accepts this token from now on, and no other.
    func accept(token: Secret) { self.token.swap(token) }

    /// Answers one request.
    func answer(_ exchange: inout Exchange) async -> HTTPAnswer {
        var body = RequestBody.unread
        var answer = await choose(&exchange, &body)
        answer.fields[.cacheControl] = "no-store"
        answer.fields[.xContentTypeOptions] = "nosniff"
        if exchange.hasBody, body == .unread {
            answer.closesConnection = true
            answer.fields[.connection] = "close"
        }
        return answer
    }

    private enum RequestBody { case read, unread }

    private func choose(_ exchange: inout Exchange, _ body: inout RequestBody) async -> HTTPAnswer {
        let isOpen: Bool
        switch exchange.path {
        case "/", "/healthz", "/readyz": isOpen = true
        default: isOpen = false
        }
        if isOpen { return exchange.head.method == .get ? open(exchange.path) : Self.getOnly }
        guard isAuthorized(exchange) else {
            refusals.refused(
                "refused an admin request without the token", peer: exchange.peer ?? "unknown",
                reason: "no or wrong bearer token")
            return .error(
                .unauthorized, "send the admin token: Authorization: Bearer <admin.token of the config file>",
                fields: [.wwwAuthenticate: #"Bearer realm="okta-relay""#])
        }
        let request = AdminRequest(
            method: exchange.head.method, path: exchange.path, query: exchange.query)
        guard let verb = sources.hands.flatMap({ OperatorAPI($0).verb(request.path) }) else {
            guard request.method == .get else { return Self.getOnly }
            return await OperatorAPI.answering {
                try await read(request.path, try AdminParameters(query: request.query))
            }
        }
        var bytes: [UInt8] = []
        if request.method == .post, verb.post != nil {
            do {
                bytes = try await exchange.collectBody(upTo: Self.bodyBytesMax)
                body = .read
            } catch {
                return .error(
                    .contentTooLarge, "the body is longer than \(Self.bodyBytesMax) bytes, or broke off")
            }
        }
        let collected = bytes
        return await OperatorAPI.answering { try await verb.answer(request, body: collected) }
    }

    /// A list of 1,000 ids fits in well.
    private static let bodyBytesMax = 256 * 1024

    private static let getOnly = HTTPAnswer.error(
        .methodNotAllowed, "only GET is understood here", fields: [.allow: "GET"])

    /// What needs no token.
    private func open(_ path: Substring) -> HTTPAnswer {
        switch path {
        case "/": page.answer
        case "/healthz": .json { $0.member("status", "ok") }
        default: ready()
        }
    }

    private func ready() -> HTTPAnswer {
        switch readiness.state {
        case .ready: .json { $0.member("status", "ready") }
        case .notReady(let reason): .error(.serviceUnavailable, reason)
        }
    }

    private func isAuthorized(_ exchange: borrowing Exchange) -> Bool {
        let values = exchange.head.headerFields[values: .authorization]
        let value = values.first ?? ""
        let scheme = "bearer "
        let presented = value.dropFirst(scheme.count).utf8
        let isMatch = token.match(presented) != nil
        return isMatch && values.count == 1 && value.prefix(scheme.count).lowercased() == scheme
    }

    // MARK: - Reading

    private func read(_ parts: [String], _ query: AdminParameters) async throws -> HTTPAnswer {
        switch (parts.first, parts.count) {
        case ("metrics", 1): return await metricsText()
        case ("status", 1): return try await status(query)
        case ("sinks", 1): return try await sinks(query)
        case ("sinks", 3) where parts[2] == "rows": return try await rows(of: parts[1], query)
        case ("events", 1): return try await events(query)
        case ("events", 2): return try await event(parts[1], query)
        case ("dead-letters", 1): return try await deadLetters(query)
        case ("dead-letters", 2): return try await deadLetter(parts[1], query)
        case ("quarantine", 1): return try await quarantine(query)
        case ("quarantine", 2): return try await quarantined(parts[1], query)
        default:
            throw AdminProblem(
                .notFound,
                "nothing is here; there are /status /metrics /sinks /sinks/{name}/rows /events /events/{id} "
                    + "/dead-letters /dead-letters/{id} /quarantine /quarantine/{id} /replays "
                    + "/history /operations /settlements /receipts /detached /healthz /readyz, and what is "
                    + "to be POSTed")
        }
    }

    private func metricsText() async -> HTTPAnswer {
        let text = metrics.render(
            status: try? await sources.journal.status(), isReady: readiness.state.isReady, now: clock.now)
        return HTTPAnswer(
            .ok, fields: [.contentType: PrometheusText.contentType], body: Array(text.utf8))
    }

    private func status(_ query: AdminParameters) async throws -> HTTPAnswer {
        try query.only([])
        let status = try await sources.journal.status()
        return .json { object in
            let state = readiness.state
            object.member("ready", state.isReady)
            if case .notReady(let reason) = state {
                object.member("reason", reason)
            } else {
                object.member("reason", String?.none)
            }
            AdminJSON.write(status: status, live: sources.board.snapshot, now: clock.now, to: &object)
        }
    }

    private func sinks(_ query: AdminParameters) async throws -> HTTPAnswer {
        try query.only([])
        let status = try await sources.journal.status()
        return .json { object in
            object.name("sinks")
            AdminJSON.write(
                sinks: status.sinks, live: sources.board.snapshot, now: clock.now, to: &object)
        }
    }

    private func rows(of name: String, _ query: AdminParameters) async throws -> HTTPAnswer {
        try query.only(["after", "limit"])
        let browsable = sources.sinks().compactMap { $0 as? any RowBrowsing }
        guard let sink = browsable.first(where: { $0.name == name }) else {
            let names = browsable.map(\.name).joined(separator: ", ")
            throw AdminProblem(
                .notFound, "no sink of that name has rows; those that have: \(names.isEmpty ? "none" : names)"
            )
        }
        let page = try await sink.rows(after: query["after"], limit: try query.limit())
        return .json { object in
            object.member("rows", raw: page.rows)
            object.member("next", page.next)
        }
    }

    private func events(_ query: AdminParameters) async throws -> HTTPAnswer {
        try query.only(AdminParameters.eventNames + ["before", "limit"])
        let page = try query.page()
        let filter = try query.eventFilter(now: clock.now)
        let events = try await sources.journal.events(filter, page.andOneMore)
        if events.isEmpty { try await sources.hands?.know([.hook: filter.hook]) }
        return .list("events", events, page, id: \.id) { AdminJSON.write($0, to: &$1) }
    }

    private func event(_ id: String, _ query: AdminParameters) async throws -> HTTPAnswer {
        try query.only([])
        guard let id = Int64(id), let found = try await sources.journal.event(id: id) else {
            throw AdminProblem(
                .notFound, "no event has this id, or it is not kept any more; /events lists them")
        }
        var writer = JSONWriter()
        AdminJSON.write(found, to: &writer)
        return HTTPAnswer(.ok, fields: [.contentType: "application/json"], body: writer.bytes)
    }

    private func deadLetters(_ query: AdminParameters) async throws -> HTTPAnswer {
        try query.only(AdminParameters.deadLetterNames + ["before", "limit"])
        let page = try query.page()
        let filter = try query.deadLetterFilter(now: clock.now)
        let letters = try await sources.journal.deadLetters(filter, page.andOneMore)
        if letters.isEmpty { try await sources.hands?.know([.sink: filter.sink, .rule: filter.rule]) }
        return .list("deadLetters", letters, page, id: \.id) { AdminJSON.write($0, to: &$1) }
    }

    private func deadLetter(_ id: String, _ query: AdminParameters) async throws -> HTTPAnswer {
        try query.only([])
        guard let id = Int64(id), let letter = try await sources.journal.deadLetter(id: id) else {
            throw AdminProblem(.notFound, "no dead letter has this id; /dead-letters lists them")
        }
        var writer = JSONWriter()
        AdminJSON.write(letter, to: &writer)
        return HTTPAnswer(.ok, fields: [.contentType: "application/json"], body: writer.bytes)
    }

    private func quarantine(_ query: AdminParameters) async throws -> HTTPAnswer {
        try query.only(AdminParameters.quarantineNames + ["before", "limit"])
        let page = try query.page()
        let filter = try query.quarantineFilter(now: clock.now)
        let records = try await sources.journal.quarantine(filter, page.andOneMore)
        if records.isEmpty { try await sources.hands?.know([.hook: filter.hook]) }
        return .list("quarantine", records, page, id: \.id) { AdminJSON.write($0, to: &$1) }
    }

    private func quarantined(_ id: String, _ query: AdminParameters) async throws -> HTTPAnswer {
        try query.only([])
        guard let id = Int64(id), let record = try await sources.journal.quarantined(id: id) else {
            throw AdminProblem(.notFound, "nothing in the quarantine has this id; /quarantine lists it")
        }
        var writer = JSONWriter()
        AdminJSON.write(record, to: &writer)
        return HTTPAnswer(.ok, fields: [.contentType: "application/json"], body: writer.bytes)
    }
}

/// The admin token that is in force; a reload may change it.
private final class LiveToken: Sendable {
    private let digests: Mutex<SecretDigests>

    init(_ token: Secret) { digests = Mutex(SecretDigests([token])) }

    func swap(_ token: Secret) { digests.withLock { $0 = SecretDigests([token]) } }

    func match(_ presented: some Sequence<UInt8>) -> Int? { digests.withLock { $0 }.match(presented) }
}

extension HTTPAnswer {
    /// A page of a list; `next` is the `before` of the page behind it, or null on the last one.
    ///
    /// - Parameter records: Of ``PageRequest/andOneMore``, which tells whether there is a page behind it.
    static func list<Record>(
        _ name: String, _ records: [Record], _ page: PageRequest, id: (Record) -> Int64,
        _ write: (Record, inout JSONWriter) -> Void
    ) -> HTTPAnswer {
        .json { object in
            object.name(name)
            object.array { array in
                for record in records.prefix(page.limit) { write(record, &array) }
            }
            object.member("next", records.count > page.limit ? id(records[page.limit - 1]) : nil)
        }
    }
}
