import Config
import Foundation
import JSON
import Logging
import Relay

/// Where an operator's command is carried out: by the relay that runs on its config, or in this process, on
/// the journal itself, where none does.
///
/// Both speak the admin API, so a command need not know which it is.
struct OperatorLink {
    /// A journal that this process has opened, with its lock.
    private struct Local {
        let hands: Operator
        let api: OperatorAPI
    }

    /// A relay waits for deliveries in flight before it says that a sink is paused.
    private static let patience = Duration.seconds(120)
    /// Between two looks at work that goes on in a relay.
    private static let pause = Duration.milliseconds(200)
    /// How often a replay is tried in this process: for six seconds, in which others may give room back.
    private static let attempts = 30

    private let client: AdminClient
    private let local: Local?

    /// Finds the relay, or opens the journal for as long as the body takes.
    static func open<Result>(
        _ configuration: RelayConfiguration, _ body: (OperatorLink) async throws -> Result
    ) async throws -> Result {
        let client = AdminClient(configuration.admin, timeout: patience)
        switch await AdminClient(configuration.admin).get("/healthz") {
        case .document(let health, status: 200) where health.root["status"]?.isString("ok") == true:
            return try await body(OperatorLink(client: client, local: nil))
        case .document: throw Terminal.failure("who answers at \(client.address) is no relay")
        case .refused(let reason):
            throw Terminal.failure("no relay answers at \(client.address): \(reason)")
        case .notRunning: break
        }
        let (journal, hands) = try await openJournal(configuration, client)
        do {
            let result = try await body(
                OperatorLink(client: client, local: Local(hands: hands, api: OperatorAPI(hands))))
            await journal.close()
            return result
        } catch {
            await journal.close()
            throw error
        }
    }

    private static func openJournal(
        _ configuration: RelayConfiguration, _ client: AdminClient
    ) async throws -> (SQLiteJournal, Operator) {
        var logger = Logger(label: "okta-relay")
        logger.logLevel = .warning
        let clock = SystemClock()
        var bar = ProgressBar("opening")
        defer { bar.finish() }
        // One of an older version is copied first.
        bar.show("opening the journal")
        do throws(JournalError) {
            // First, because it makes no journal where there is none; one of an older version is upgraded.
            let inspection = try SQLiteJournalInspection.ofAnyVersion(
                path: configuration.journal.path, sizeMax: configuration.journal.sizeMax)
            let journal = try await SQLiteJournal(
                configuration.journal, clock: clock, logger: logger, retains: false)
            let hands = Operator(
                journal: journal, inspection: inspection, settings: configuration.operatorSettings,
                clock: clock, logger: logger, restart: { _ in [] })
            return (journal, hands)
        } catch {
            throw Terminal.failure(
                "nobody answers at \(client.address), and the journal cannot be opened: \(error.reason)")
        }
    }

    /// Asks, and ends the command with the answer's reason where it is an error.
    ///
    /// - Parameter parameters: Of the body of a POST.
    func post(
        _ path: String, _ parameters: (inout JSONWriter) -> Void = { _ in }
    ) async throws -> JSONValue {
        var body = JSONWriter()
        body.object(parameters)
        return try await answer("POST", path, body: body.bytes)
    }

    func get(_ path: String) async throws -> JSONValue { try await answer("GET", path, body: []) }

    private func answer(_ method: String, _ path: String, body: [UInt8]) async throws -> JSONValue {
        if let local {
            let answer = await local.api.answer(method, path, body: body)
            return try Self.result(try JSONDocument(answer.body), status: answer.status)
        }
        switch await client.send(method, path, body: body) {
        case .document(let document, let status): return try Self.result(document, status: status)
        case .notRunning: throw Terminal.failure("the relay at \(client.address) has stopped")
        case .refused(let reason): throw Terminal.failure("the relay at \(client.address): \(reason)")
        }
    }

    private static func result(_ document: JSONDocument, status: Int) throws -> JSONValue {
        guard !(200..<300).contains(status) else { return document.root }
        let isTheirs = [400, 404, 409].contains(status)
        throw Terminal.failure(
            document.root["error"]?.string ?? "the relay answered \(status)", isTheirs ? .problems : .cannot)
    }

    /// Has replays go on, and returns when it is time to look again.
    func advanceReplays() async throws {
        guard let local else { return try await SystemClock().sleep(for: Self.pause) }
        for attempt in 1... {
            do throws(JournalError) {
                _ = try await local.hands.advanceReplays()
                return
            } catch {
                guard attempt < Self.attempts else {
                    throw Terminal.failure(
                        "the replay goes on when the relay runs; it cannot go on now: \(error.reason)")
                }
            }
            try await SystemClock().sleep(for: Self.pause)
        }
    }
}

extension String {
    /// As a part of a path.
    var percentEncoded: String {
        addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(CharacterSet(charactersIn: "-._~")))
            ?? ""
    }
}
