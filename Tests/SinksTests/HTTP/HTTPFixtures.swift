import Config
import JSON
import Relay
import RelayTesting
import Rules
import Testing

@testable import Sinks

/// What the HTTP tests send, and to whom.
enum HTTPFixtures {
    static let open = AddressPolicy(allowsPrivate: true, allowsHTTP: true)

    /// Seconds after 2026-01-01T00:00:00Z, as `published`.
    static func event(
        _ type: String, user: String? = "00u1", login: String = "ada@example.com", name: String = "Ada",
        second: Int? = 0, id: String = "e1", outcome: String = "SUCCESS"
    ) throws -> Event {
        var writer = JSONWriter()
        writer.object { event in
            event.member("uuid", id)
            event.member("eventType", type)
            if let second {
                event.member("published", "2026-01-01T00:00:\(second < 10 ? "0" : "")\(second).000Z")
            }
            event.name("outcome")
            event.object { $0.member("result", outcome) }
            event.name("target")
            event.array { targets in
                guard let user else { return }
                targets.object { target in
                    target.member("id", user)
                    target.member("type", "User")
                    target.member("alternateId", login)
                    target.member("displayName", name)
                }
            }
        }
        return try Event(
            body: JSONDocument(writer.bytes), hook: "okta", org: "acme",
            receivedAt: 1_767_225_600_000_000_000)
    }

    static func delivery(
        _ event: Event, state: FoldState? = nil, attempt: Int = 1, replay: String? = nil
    ) -> Delivery {
        Delivery(
            offset: Offset(rawValue: 7), event: event, rule: "staff", attempt: attempt, replay: replay,
            state: state)
    }

    static func template(_ json: String, _ place: Template.Place) throws -> Template {
        try Template(JSONDocument(json).root, place: place)
    }

    static func request(
        _ method: String, _ url: String, headers: [(String, String)] = [], body: String? = nil
    ) throws -> HTTPRequestTemplate {
        try HTTPRequestTemplate(
            method: method,
            url: template("\"\(url)\"", .url),
            headers: headers.map { ($0.0, try template("\"\($0.1)\"", .header)) },
            body: body.map { try template($0, .value) }
        )
    }

    /// The creation of the user of a number, which is its offset as well.
    static func create(_ user: Int, isOutcomeUnknown: Bool = false) throws -> Delivery {
        Delivery(
            offset: Offset(rawValue: Int64(user)),
            event: try event("user.lifecycle.create", user: "00u\(user)"), rule: "staff", attempt: 1,
            isOutcomeUnknown: isOutcomeUnknown)
    }

    /// A change of such a user's profile.
    static func update(_ user: Int = 1) throws -> Delivery {
        delivery(try event("user.account.update_profile", user: "00u\(user)"))
    }

    static let contactBody =
        #"{"email":"{{ $.user.login }}","name":"{{ $.user.displayName }}","active":"{{ $.user.active }}"}"#

    /// One contact per user: PUT it, and DELETE it at a deletion.
    static func contacts(_ base: String) throws -> HTTPSinkConfiguration {
        let url = "\(base)/contacts/{{ $.user.id }}"
        return try HTTPSinkConfiguration(
            request: request("PUT", url, body: contactBody),
            on: [HTTPRequestCase(selector: .operation(.delete), request: request("DELETE", url))],
            allowsPrivate: true,
            allowsHTTP: true
        )
    }
}

/// A receiver, a client and the sinks between them, stopped when the test is over.
func withReceiver(
    _ script: @escaping @Sendable (HTTPReceiver.Request) -> HTTPReceiver.Behaviour = { _ in .respond(200) },
    _ test: (HTTPReceiver, CurlClient) async throws -> Void
) async throws {
    let receiver = try HTTPReceiver(script: script)
    // However slow the machine is, a kept connection is young enough.
    let client = CurlClient(reuse: ConnectionReuse(repeatable: 3_600, once: 3_600))
    do {
        try await test(receiver, client)
    } catch {
        await client.shutdown()
        receiver.stop()
        throw error
    }
    await client.shutdown()
    receiver.stop()
}

/// The error that a call ends with; nil where it does not.
func failure<T>(_ call: () async throws -> T) async -> (any Error)? {
    do {
        _ = try await call()
        return nil
    } catch {
        return error
    }
}

extension HTTPSink {
    /// One delivery, as the engine makes it; its turn has to have come.
    func attempt(_ delivery: Delivery) async throws(SinkError) -> Receipt? {
        if let wait = try await takeTurn([delivery]) {
            Issue.record("it is not its turn for \(wait)")
            return nil
        }
        return try await deliver([delivery]).first
    }
}
