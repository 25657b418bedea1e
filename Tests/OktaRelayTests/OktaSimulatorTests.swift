import Config
import JSON
import Relay
import RelayTesting
import Testing

/// The simulated Okta against a server on a real socket that behaves well and badly.
@Suite struct OktaSimulatorTests {
    private func run(
        events: Int = 6, connections: Int = 2, timeout: Duration = .seconds(30),
        _ script: @escaping @Sendable (HTTPReceiver.Request) -> HTTPReceiver.Behaviour
    ) async throws -> (report: SimulationReport, requests: [HTTPReceiver.Request]) {
        let server = try HTTPReceiver { request in
            guard request.method == "GET" else { return script(request) }
            let challenge = request.header("x-okta-verification-challenge") ?? ""
            return .respond(200, body: #"{"verification":"\#(challenge)"}"#)
        }
        defer { server.stop() }
        let target = try #require(HTTPTarget("\(server.url)/okta/events"))
        let simulator = OktaSimulator(
            .init(target: target, secret: Secret("s3cret"), connections: connections, timeout: timeout))
        let generator = LifecycleGenerator(.init(users: 3, events: events, seed: 1, start: 0))
        return (await simulator.run(generator), server.requests)
    }

    @Test func verifiesThenSendsEveryEventWithTheSecret() async throws {
        let (report, requests) = try await run { _ in .respond(200) }
        #expect(report.isComplete)
        #expect(report.answers == ["200": 6])
        #expect(report.acknowledgedIDs.count == 6)
        #expect(requests.map(\.method) == ["GET"] + Array(repeating: "POST", count: 6))
        #expect(requests.allSatisfy { $0.header("authorization") == "s3cret" && $0.target == "/okta/events" })
        #expect(requests.first?.header("x-okta-verification-challenge")?.count == 40)
        #expect(requests.dropFirst().allSatisfy { (try? JSONDocument($0.body)) != nil })
        #expect(report.latency(at: 0.5) != nil)
    }

    @Test func aServerErrorIsRetriedOnceWithTheSameBytes() async throws {
        let (report, requests) = try await run(events: 1) { $0.number == 2 ? .respond(503) : .respond(200) }
        #expect(report.isComplete)
        #expect(report.retries == 1)
        #expect(report.answers == ["503": 1, "200": 1])
        #expect(requests.count == 3)
        #expect(requests.count == 3 && requests[1].body == requests[2].body)
    }

    @Test func aLostEventIsReported() async throws {
        let (report, requests) = try await run(events: 2, connections: 1) { _ in .respond(500) }
        #expect(!report.isComplete)
        #expect(report.acknowledgedEnvelopes == 0 && report.envelopes == 2)
        #expect(requests.count == 5)
    }

    @Test func aRefusalIsNotRetried() async throws {
        let (report, requests) = try await run(events: 3, connections: 1) { _ in .respond(401) }
        #expect(!report.isComplete)
        #expect(report.retries == 0)
        #expect(requests.count == 4)
    }

    @Test func aTimeoutAndABrokenConnectionAreRetriedOverAFreshConnection() async throws {
        // What is answered has that long too, also where the machine is busy.
        let silent = try await run(events: 1, timeout: .seconds(3)) { request in
            request.number == 2 ? .silence : .respond(204)
        }
        #expect(silent.report.isComplete)
        #expect(silent.report.answers == ["timeout": 1, "204": 1])

        let broken = try await run(events: 1) { $0.number == 2 ? .closeBeforeResponse : .respond(200) }
        #expect(broken.report.isComplete)
        #expect(broken.report.answers == ["connection lost": 1, "200": 1])
    }

    @Test func withoutTheChallengeNothingIsSent() async throws {
        let server = try HTTPReceiver { _ in .respond(200, body: #"{"verification":"other"}"#) }
        defer { server.stop() }
        let target = try #require(HTTPTarget(server.url))
        let simulator = OktaSimulator(.init(target: target, secret: Secret("s")))
        let report = await simulator.run(LifecycleGenerator(.init(users: 1, events: 5, start: 0)))
        #expect(report.verificationProblem == "the verification answer does not return the challenge")
        #expect(!report.isComplete)
        #expect(server.requests.count == 1)
    }

    @Test func nobodyThereIsReportedAndNotThrown() async throws {
        let target = try #require(HTTPTarget("http://127.0.0.1:1/"))
        let simulator = OktaSimulator(.init(target: target, secret: Secret("s")))
        let report = await simulator.run(LifecycleGenerator(.init(users: 1, events: 1, start: 0)))
        #expect(report.verificationProblem?.hasPrefix("cannot connect to 127.0.0.1:1") == true)
    }

    @Test(arguments: [
        ("http://localhost/a?b=c", "http://localhost:80/a?b=c"),
        ("https://[::1]:8443", "https://[::1]:8443/"),
        ("HTTP://h:8080/x", "http://h:8080/x"),
    ])
    func urlsAreTakenApart(_ text: String, _ expected: String) {
        #expect(HTTPTarget(text)?.description == expected)
    }

    @Test(arguments: ["localhost:8080", "ftp://h/", "http://", "http://user:pw@h/", ""])
    func otherTextsAreNoTargets(_ text: String) { #expect(HTTPTarget(text) == nil) }
}
