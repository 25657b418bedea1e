import Config
import JSON
import Relay
import RelayTesting
import Synchronization
import Testing

@testable import Sinks

/// The suite that every sink passes, over HTTP: one contact per user at a receiver on a real socket.
@Suite("HTTP: sink conformance")
struct HTTPConformanceTests {
    @Test(arguments: SinkConformance.Check.allCases)
    func conforms(_ check: SinkConformance.Check) async throws {
        let contacts = try Contacts()
        do {
            try await SinkConformance.run(check, contacts)
        } catch {
            await contacts.stop()
            throw error
        }
        await contacts.stop()
    }

    /// A CRM that keeps contacts by id, and the engine's part: a state per user, handed over and kept.
    final class Contacts: SinkFixture {
        let sink: any Sink
        private let client = CurlClient()
        private let book = ContactBook()
        private let receiver: Mutex<HTTPReceiver>
        private let states = Mutex<[Subject: FoldState]>([:])

        init() throws {
            let book = book
            let receiver = try HTTPReceiver(port: LoopbackPort.free()) { book.take($0) }
            sink = HTTPSink(
                name: "crm", configuration: try HTTPFixtures.contacts(receiver.url), client: client,
                clock: ManualClock())
            self.receiver = Mutex(receiver)
        }

        func effects() async throws -> [String] { book.entries }

        func breakDestination() async throws -> Bool {
            receiver.withLock { $0.stop() }
            return true
        }

        func mendDestination() async throws {
            let book = book
            let port = receiver.withLock { $0.port }
            let again = try HTTPReceiver(port: port) { book.take($0) }
            receiver.withLock { $0 = again }
        }

        func withState(_ batch: [Delivery]) async throws -> [Delivery] {
            batch.map { delivery in
                Delivery(
                    offset: delivery.offset, event: delivery.event, rule: delivery.rule,
                    attempt: delivery.attempt, state: state(of: delivery))
            }
        }

        func settle(_ receipts: [Receipt], of batch: [Delivery]) async throws {
            for receipt in receipts {
                let delivery = batch.first { $0.offset == receipt.offset }
                guard let subject = delivery?.event.subject, let state = receipt.state else { continue }
                states.withLock { $0[subject] = state }
            }
        }

        private func state(of delivery: Delivery) -> FoldState? {
            delivery.event.subject.flatMap { subject in states.withLock { $0[subject] } }
        }

        func stop() async {
            await client.shutdown()
            receiver.withLock { $0.stop() }
        }
    }

    /// What the CRM holds: the name of each contact.
    final class ContactBook: Sendable {
        private let names = Mutex<[String: String]>([:])

        var entries: [String] { names.withLock { $0.map { "\($0.key):\($0.value)" }.sorted() } }

        func take(_ request: HTTPReceiver.Request) -> HTTPReceiver.Behaviour {
            let id = String(request.target.split(separator: "/").last ?? "")
            let name = request.method == "DELETE" ? nil : try? JSONDocument(request.body).root["name"]?.string
            names.withLock { $0[id] = name }
            return .respond(200)
        }
    }
}
