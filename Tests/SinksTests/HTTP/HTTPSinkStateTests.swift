import Config
import Relay
import RelayTesting
import Rules
import Sinks
import Synchronization
import Testing

/// Plays events in an order of arrival, keeping the state as the engine would.
private final class Player {
    let sink: HTTPSink
    let receiver: HTTPReceiver
    var state: FoldState?

    /// - Parameter requests: Those that the sink has besides the one for a deletion.
    init(_ receiver: HTTPReceiver, _ client: CurlClient, on requests: [HTTPRequestCase] = []) throws {
        self.receiver = receiver
        var configuration = try HTTPFixtures.contacts(receiver.url)
        configuration.on = requests + (configuration.on ?? [])
        sink = HTTPSink(name: "crm", configuration: configuration, client: client, clock: ManualClock())
    }

    func play(_ event: Event) async throws -> Receipt.Outcome {
        let receipt = try #require(
            try await sink.deliver([HTTPFixtures.delivery(event, state: state)]).first)
        switch receipt.outcome {
        // Through its text form, as it comes back from a store.
        case .delivered, .superseded: state = receipt.state.flatMap { FoldState(json: $0.json) } ?? state
        case .skipped, .retry, .rejected, .deferred: #expect(receipt.state == nil)
        }
        return receipt.outcome
    }

    /// Method and body of what arrived.
    var sent: [String] {
        receiver.requests.map { $0.text.isEmpty ? $0.method : "\($0.method) \($0.text)" }
    }
}

@Suite("The HTTP sink: one contact per user, whatever the order of events")
struct HTTPSinkStateTests {
    private func contact(_ login: String, _ name: String, active: Bool?) -> String {
        let tail = active.map { ",\"active\":\($0)" } ?? ""
        return "PUT {\"email\":\"\(login)\",\"name\":\"\(name)\"\(tail)}"
    }

    @Test func aLateCreateDoesNotReviveADeactivatedContact() async throws {
        try await withReceiver { receiver, client in
            let player = try Player(receiver, client)
            let deactivate = try HTTPFixtures.event("user.lifecycle.deactivate", second: 5, id: "e5")
            let create = try HTTPFixtures.event("user.lifecycle.create", second: 1, id: "e1")
            #expect(try await player.play(deactivate) == .delivered)
            #expect(try await player.play(create) == .delivered)
            #expect(player.sent.last == contact("ada@example.com", "Ada", active: false))
            #expect(player.state?.values["status"] == "DEPROVISIONED")
        }
    }

    private func creation(_ receiver: HTTPReceiver) throws -> HTTPRequestCase {
        HTTPRequestCase(
            selector: .operation(.create),
            request: try HTTPFixtures.request(
                "POST", receiver.url + "/contacts", body: HTTPFixtures.contactBody))
    }

    /// A CRM whose `PUT` makes nothing: to what it has not got it says 404.
    @Test func whomADeactivationDidNotFindALateCreateMakes() async throws {
        let hasContact = Mutex(false)
        try await withReceiver({ request in
            if request.method == "POST" { hasContact.withLock { $0 = true } }
            return .respond(hasContact.withLock { $0 } ? 200 : 404)
        }) { receiver, client in
            let player = try Player(receiver, client, on: [creation(receiver)])
            let deactivate = try HTTPFixtures.event("user.lifecycle.deactivate", second: 5, id: "e5")
            let create = try HTTPFixtures.event("user.lifecycle.create", second: 1, id: "e1")
            #expect(try await player.play(deactivate) == .delivered)
            #expect(try await player.play(create) == .delivered)
            #expect(player.sent.last == #"POST {"email":"ada@example.com","name":"Ada","active":false}"#)
            // Now it is there, and is not made again.
            #expect(try await player.play(create) == .delivered)
            #expect(receiver.requests.map(\.method) == ["PUT", "POST", "PUT"])
        }
    }

    /// What is remembered follows the answer also where the events say nothing new.
    @Test func aDeactivationThatFindsThemAfterAllIsRemembered() async throws {
        let hasContact = Mutex(false)
        try await withReceiver({ _ in .respond(hasContact.withLock { $0 } ? 200 : 404) }) {
            receiver, client in
            let player = try Player(receiver, client, on: [creation(receiver)])
            let deactivate = try HTTPFixtures.event("user.lifecycle.deactivate", second: 5, id: "e5")
            #expect(try await player.play(deactivate) == .delivered)
            hasContact.withLock { $0 = true }
            #expect(try await player.play(deactivate) == .delivered)
            let create = try HTTPFixtures.event("user.lifecycle.create", second: 1, id: "e1")
            #expect(try await player.play(create) == .delivered)
            #expect(receiver.requests.map(\.method) == ["PUT", "PUT", "PUT"])
        }
    }

    /// A CRM whose contacts go with a deactivation.
    @Test(arguments: [204, 404])
    func whomADeactivationRemovedALateCreateMakes(_ status: Int) async throws {
        try await withReceiver({ .respond($0.method == "DELETE" ? status : 200) }) { receiver, client in
            let removal = HTTPRequestCase(
                selector: .operation(.deactivate),
                request: try HTTPFixtures.request("DELETE", receiver.url + "/contacts/{{ $.user.id }}"))
            let player = try Player(receiver, client, on: [creation(receiver), removal])
            let deactivate = try HTTPFixtures.event("user.lifecycle.deactivate", second: 5, id: "e5")
            let create = try HTTPFixtures.event("user.lifecycle.create", second: 1, id: "e1")
            #expect(try await player.play(deactivate) == .delivered)
            #expect(try await player.play(create) == .delivered)
            #expect(receiver.requests.map(\.method) == ["DELETE", "POST"])
        }
    }

    // MARK: - Requests by the type of the event

    private func creationByType(_ receiver: HTTPReceiver) throws -> HTTPRequestCase {
        HTTPRequestCase(
            selector: .eventType("user.lifecycle.create"), request: try creation(receiver).request)
    }

    @Test func whoIsThereIsNotMadeAgainWhateverNamesTheCreation() async throws {
        try await withReceiver { receiver, client in
            let player = try Player(receiver, client, on: [creationByType(receiver)])
            let create = try HTTPFixtures.event("user.lifecycle.create", second: 1, id: "e1")
            for _ in 0..<2 { #expect(try await player.play(create) == .delivered) }
            #expect(receiver.requests.map(\.method) == ["POST", "PUT"])
        }
    }

    /// What several events come to is sent as the type says of the one that makes it that.
    @Test func aCreationWithAnUpdateBehindItIsSentAsACreation() async throws {
        try await withReceiver { receiver, client in
            let player = try Player(receiver, client, on: [creationByType(receiver)])
            let create = try HTTPFixtures.event("user.lifecycle.create", second: 1, id: "e1")
            let update = try HTTPFixtures.event("user.account.update_profile", second: 2, id: "e2")
            let delivery = Delivery(
                offset: Offset(rawValue: 7), event: update, rule: "staff", attempt: 1, earlier: [create])
            #expect(try await player.sink.deliver([delivery]).map(\.outcome) == [.delivered])
            #expect(receiver.requests.map(\.method) == ["POST"])
        }
    }

    @Test(arguments: [false, true])
    func whereNothingIsAnUpdateALateCreateIsSentAsOne(isNamedByType: Bool) async throws {
        try await withReceiver { receiver, client in
            let creation = try isNamedByType ? creationByType(receiver) : creation(receiver)
            let none = HTTPRequestCase(selector: .operation(.update), request: nil)
            let player = try Player(receiver, client, on: [creation, none])
            let deactivate = try HTTPFixtures.event("user.lifecycle.deactivate", second: 5, id: "e5")
            let create = try HTTPFixtures.event("user.lifecycle.create", second: 1, id: "e1")
            #expect(try await player.play(deactivate) == .delivered)
            #expect(try await player.play(create) == .delivered)
            // A replay makes no second contact.
            #expect(try await player.play(create) == .skipped("on.update is null"))
            #expect(receiver.requests.map(\.method) == ["PUT", "POST"])
        }
    }

    @Test func aNewerProfileDoesNotHideAnOlderDeactivation() async throws {
        try await withReceiver { receiver, client in
            let player = try Player(receiver, client)
            _ = try await player.play(try HTTPFixtures.event("user.lifecycle.activate", second: 1, id: "e1"))
            _ = try await player.play(
                try HTTPFixtures.event(
                    "user.account.update_profile", login: "new@example.com", name: "New", second: 9, id: "e9")
            )
            let outcome = try await player.play(
                try HTTPFixtures.event("user.lifecycle.deactivate", name: "Old", second: 5, id: "e5"))
            #expect(outcome == .delivered)
            #expect(player.sent.last == contact("new@example.com", "New", active: false))
        }
    }

    @Test func anOlderEventIsSuperseded() async throws {
        try await withReceiver { receiver, client in
            let player = try Player(receiver, client)
            _ = try await player.play(
                try HTTPFixtures.event("user.lifecycle.deactivate", second: 5, id: "e5"))
            let outcome = try await player.play(
                try HTTPFixtures.event("user.lifecycle.activate", second: 4, id: "e4"))
            #expect(outcome == .superseded)
            #expect(receiver.requests.count == 1)
        }
    }

    @Test func nothingFollowsADeletion() async throws {
        try await withReceiver { receiver, client in
            let player = try Player(receiver, client)
            _ = try await player.play(try HTTPFixtures.event("user.lifecycle.create", second: 1, id: "e1"))
            #expect(
                try await player.play(
                    try HTTPFixtures.event("user.lifecycle.delete.initiated", second: 5, id: "e5"))
                    == .delivered)
            #expect(player.state?.values == [:], "no name is kept of who is gone")
            for event in [
                // Okta's own trailing update, under the name it gives deleted users.
                try HTTPFixtures.event(
                    "user.account.update_profile", login: "00u1@deleted.invalid", second: 6, id: "e6"),
                try HTTPFixtures.event("user.account.update_profile", second: 7, id: "e7"),
                try HTTPFixtures.event("user.account.update_profile", second: 2, id: "e2"),
                try HTTPFixtures.event("user.lifecycle.delete.completed", second: 8, id: "e8"),
                try HTTPFixtures.event("user.lifecycle.create", second: 3, id: "e3"),
            ] {
                #expect(try await player.play(event) == .superseded)
            }
            #expect(receiver.requests.map(\.method) == ["PUT", "DELETE"])
        }
    }

    @Test func onlyANewerCreateRevives() async throws {
        try await withReceiver { receiver, client in
            let player = try Player(receiver, client)
            _ = try await player.play(
                try HTTPFixtures.event("user.lifecycle.delete.initiated", second: 5, id: "e5"))
            let create = try HTTPFixtures.event("user.lifecycle.create", name: "Back", second: 9, id: "e9")
            #expect(try await player.play(create) == .delivered)
            let late = try HTTPFixtures.event("user.lifecycle.delete.completed", second: 6, id: "e6")
            #expect(try await player.play(late) == .superseded)
            #expect(player.sent == ["DELETE", contact("ada@example.com", "Back", active: false)])
        }
    }

    @Test func aLateCreationKnowsWhatCameAfterIt() async throws {
        try await withReceiver { receiver, client in
            let player = try Player(receiver, client)
            let delete = try HTTPFixtures.event("user.lifecycle.delete.initiated", second: 1, id: "e1")
            let rename = try HTTPFixtures.event(
                "user.account.update_profile", name: "Ada King", second: 5, id: "e5")
            let create = try HTTPFixtures.event("user.lifecycle.create", second: 3, id: "e3")
            #expect(try await player.play(delete) == .delivered)
            #expect(player.state?.values == [:])
            #expect(try await player.play(rename) == .superseded)
            #expect(try await player.play(create) == .delivered)
            #expect(player.sent.last == contact("ada@example.com", "Ada King", active: false))
            // The next deletion leaves nothing of it.
            let again = try HTTPFixtures.event("user.lifecycle.delete.initiated", second: 9, id: "e9")
            #expect(try await player.play(again) == .delivered)
            #expect(player.state?.values == [:])
        }
    }

    @Test func theSameEventAgainIsSentAgain() async throws {
        try await withReceiver { receiver, client in
            let player = try Player(receiver, client)
            for type in ["user.lifecycle.create", "user.lifecycle.delete.initiated"] {
                let event = try HTTPFixtures.event(type, second: 5, id: "e5")
                #expect(try await player.play(event) == .delivered)
                #expect(try await player.play(event) == .delivered)
            }
            #expect(receiver.requests.map(\.method) == ["PUT", "PUT", "DELETE", "DELETE"])
        }
    }

    /// Okta emits create, update and activate within one instant; the operation breaks the tie.
    @Test func equalTimesAreOrderedByOperation() async throws {
        try await withReceiver { receiver, client in
            let player = try Player(receiver, client)
            let types: [(String, Receipt.Outcome)] = [
                ("user.lifecycle.activate", .delivered),
                // The activation names the user too, and wins.
                ("user.account.update_profile", .superseded),
                ("user.lifecycle.create", .delivered),
            ]
            for (type, outcome) in types {
                #expect(try await player.play(try HTTPFixtures.event(type, second: 5, id: type)) == outcome)
            }
            #expect(player.sent.last == contact("ada@example.com", "Ada", active: true))
        }
    }

    @Test func whateverNamesTheUserCarriesTheLogin() async throws {
        try await withReceiver { receiver, client in
            let player = try Player(receiver, client)
            _ = try await player.play(
                try HTTPFixtures.event("user.lifecycle.create", login: "old@example.com", second: 1, id: "e1")
            )
            _ = try await player.play(
                try HTTPFixtures.event(
                    "user.lifecycle.activate", login: "new@example.com", second: 3, id: "e3"))
            #expect(player.sent.last == contact("new@example.com", "Ada", active: true))
        }
    }

    @Test func aFailedRequestLeavesTheStateAlone() async throws {
        try await withReceiver({ _ in .respond(500) }) { receiver, client in
            let player = try Player(receiver, client)
            let event = try HTTPFixtures.event("user.lifecycle.create")
            #expect(try await player.play(event) == .retry(after: nil, reason: "HTTP 500"))
            #expect(player.state == nil)
        }
    }

    @Test func withoutAUserOrATimeThereIsNoOrder() async throws {
        try await withReceiver { receiver, client in
            let player = try Player(receiver, client)
            let noUser = try HTTPFixtures.event("user.lifecycle.create", user: nil)
            #expect(try await player.play(noUser) == .rejected(reason: "no user"))
            let noTime = try HTTPFixtures.event("user.lifecycle.create", second: nil)
            guard case .rejected(let reason) = try await player.play(noTime) else {
                Issue.record("delivered without a time")
                return
            }
            #expect(reason.contains("published"))
            #expect(player.sink.limits.keepsState)
            #expect(receiver.connections == 0)
        }
    }
}
