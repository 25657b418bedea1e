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
    func answer(_ exchange: borrowing Exchange) async -> HTTPAnswer {
        var answer = await choose(exchange)
        answer.fields[.cacheControl] = "no-store"
        answer.fields[.xContentTypeOptions] = "nosniff"
        if exchange.hasBody {
            // Nothing here takes a body, so none is read.
            answer.closesConnection = true
            answer.fields[.connection] = "close"
        }
        return answer
    }

    private func choose(_ exchange: borrowing Exchange) async -> HTTPAnswer {
        guard exchange.head.method == .get else {
            return .error(.methodNotAllowed, "only GET is understood here", fields: [.allow: "GET"])
        }
        switch exchange.path {
        case "/": return page.answer
        case "/healthz": return .json { $0.member("status", "ok") }
        case "/readyz": return ready()
        default: break
        }
        guard isAuthorized(exchange) else {
            refusals.refused(
                "refused an admin request without the token", peer: exchange.peer ?? "unknown",
                reason: "no or wrong bearer token")
            return .error(
                .unauthorized, "send the admin token: Authorization: Bearer <admin.token of the config file>",
                fields: [.wwwAuthenticate: #"Bearer realm="okta-relay""#])
        }
        do {
            return try await read(String(exchange.path), Query(exchange.query))
        } catch let problem as AdminProblem {
            return .error(problem.status, problem.text)
        } catch let error as JournalError {
            return .error(.serviceUnavailable, "the journal cannot be read: \(error.reason)")
        } catch let error as SinkError {
            return .error(.badGateway, "the sink cannot be read: \(error.reason)")
        } catch {
            return .error(.internalServerError, "this cannot be answered now; the relay's log may say why")
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

    private func read(_ path: String, _ query: Query) async throws -> HTTPAnswer {
        let parts = path.split(separator: "/").map { String($0).removingPercentEncoding ?? "" }
        switch (parts.first, parts.count) {
        case ("metrics", 1): return await metricsText()
        case ("status", 1): return try await status()
        case ("sinks", 1): return try await sinks()
        case ("sinks", 3) where parts[2] == "rows": return try await rows(of: parts[1], query)
        case ("events", 1): return try await events(query)
        case ("dead-letters", 1): return try await deadLetters(query)
        case ("dead-letters", 2): return try await deadLetter(parts[1])
        case ("quarantine", 1): return try await quarantine(query)
        case ("quarantine", 2): return try await quarantined(parts[1])
        default:
            throw AdminProblem(
                .notFound,
                "nothing is here; there are /status /metrics /sinks /sinks/{name}/rows /events /dead-letters "
                    + "/dead-letters/{id} /quarantine /quarantine/{id} /healthz /readyz")
        }
    }

    private func metricsText() async -> HTTPAnswer {
        let text = metrics.render(
            status: try? await sources.journal.status(), isReady: readiness.state.isReady, now: clock.now)
        return HTTPAnswer(
            .ok, fields: [.contentType: PrometheusText.contentType], body: Array(text.utf8))
    }

    private func status() async throws -> HTTPAnswer {
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

    private func sinks() async throws -> HTTPAnswer {
        let status = try await sources.journal.status()
        return .json { object in
            object.name("sinks")
            AdminJSON.write(
                sinks: status.sinks, live: sources.board.snapshot, now: clock.now, to: &object)
        }
    }

    private func rows(of name: String, _ query: Query) async throws -> HTTPAnswer {
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

    private func events(_ query: Query) async throws -> HTTPAnswer {
        let page = try query.page()
        let events = try await sources.journal.events(page)
        return .list("events", events, page, id: \.id) { AdminJSON.write($0, to: &$1) }
    }

    private func deadLetters(_ query: Query) async throws -> HTTPAnswer {
        let page = try query.page()
        let letters = try await sources.journal.deadLetters(sink: query["sink"], page)
        return .list("deadLetters", letters, page, id: \.id) { AdminJSON.write($0, to: &$1) }
    }

    private func deadLetter(_ id: String) async throws -> HTTPAnswer {
        guard let id = Int64(id), let letter = try await sources.journal.deadLetter(id: id) else {
            throw AdminProblem(.notFound, "no dead letter has this id; /dead-letters lists them")
        }
        var writer = JSONWriter()
        AdminJSON.write(letter, to: &writer)
        return HTTPAnswer(.ok, fields: [.contentType: "application/json"], body: writer.bytes)
    }

    private func quarantine(_ query: Query) async throws -> HTTPAnswer {
        let page = try query.page()
        let records = try await sources.journal.quarantine(page)
        return .list("quarantine", records, page, id: \.id) { AdminJSON.write($0, to: &$1) }
    }

    private func quarantined(_ id: String) async throws -> HTTPAnswer {
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

/// What is wrong with an admin request, and what would be right.
private struct AdminProblem: Error {
    let status: HTTPResponse.Status
    let text: String

    init(_ status: HTTPResponse.Status, _ text: String) {
        self.status = status
        self.text = text
    }
}

/// A request's query parameters; of a repeated one the last counts.
private struct Query {
    private var values: [String: String] = [:]

    init(_ text: Substring) {
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map {
                $0.replacing("+", with: " ").removingPercentEncoding ?? ""
            }
            if let name = parts.first { values[name] = parts.count > 1 ? parts[1] : "" }
        }
    }

    subscript(name: String) -> String? { values[name] }

    func page() throws(AdminProblem) -> PageRequest {
        PageRequest(before: try number("before", in: 0...Int64.max), limit: try limit())
    }

    func limit() throws(AdminProblem) -> Int {
        Int(try number("limit", in: 1...Int64(PageRequest.limitMax)) ?? 100)
    }

    private func number(_ name: String, in range: ClosedRange<Int64>) throws(AdminProblem) -> Int64? {
        guard let text = values[name] else { return nil }
        guard let number = Int64(text), range.contains(number) else {
            throw AdminProblem(
                .badRequest,
                "\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
}

extension HTTPAnswer {
    /// A page of a list; `next` is the `before` of the page behind it, or null on the last one.
    fileprivate static func list<Record>(
        _ name: String, _ records: [Record], _ page: PageRequest, id: (Record) -> Int64,
        _ write: (Record, inout JSONWriter) -> Void
    ) -> HTTPAnswer {
        .json { object in
            object.name(name)
            object.array { array in
                for record in records { write(record, &array) }
            }
            object.member("next", records.count < page.limit ? nil : records.last.map(id))
        }
    }
}
