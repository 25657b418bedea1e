import Config
import Foundation
import NIOSSL
import Relay
import RelayTesting
import Testing

/// Clients that are slow, endless, eager or many; and how the intake stops.
@Suite(.timeLimit(.minutes(1))) struct IntakeAdversityTests {
    @Test func takesAFiveHundredEventEnvelope() async throws {
        try await IntakeFixture.run { (intake) async throws in
            let padding = String(repeating: "p", count: 2_300)
            let events = (0..<500).map { index in
                #"{"uuid":"e\#(index)","eventType":"user.account.update_profile","debug":"\#(padding)"}"#
            }
            let body = Sample.envelope(events)
            #expect(body.count > 1024 * 1024)
            let answers = [try await intake.deliver(body), try await intake.deliver(body)]
            #expect(answers.map(\.status) == [200, 200])
            #expect(intake.journal.entries.map(\.event.id) == (0..<500).map { "e\($0)" })
            #expect(intake.metric(#"okta_relay_events_duplicate_total{hook="main"}"#) == "500")
        }
    }

    @Test func envelopesMayShareAnEvent() async throws {
        try await IntakeFixture.run { (intake) async throws in
            _ = try await intake.deliver(Sample.envelope([Sample.event("1"), Sample.event("2")]))
            _ = try await intake.deliver(
                Sample.envelope([Sample.event("2"), Sample.event("3"), Sample.event("3")]))
            #expect(intake.journal.entries.map(\.event.id) == ["1", "2", "3"])
        }
    }

    @Test func takesChunkedBodiesInPieces() async throws {
        try await IntakeFixture.run { (intake) async throws in
            let body = Sample.envelope([Sample.event("1")])
            try await RawHTTPClient.connect(port: intake.port) { client in
                try await client.send(
                    RawHTTPClient.request(
                        "POST", "/okta",
                        headers: [
                            IntakeFixture.auth, ("transfer-encoding", "chunked"), ("expect", "100-continue"),
                        ]))
                #expect(try await client.response().status == 100)
                for piece in [body.prefix(10), body.dropFirst(10)] {
                    try await client.send(
                        Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + Array("\r\n".utf8))
                }
                try await client.send("0\r\n\r\n")
                #expect(try await client.response().status == 200)
            }
            #expect(intake.journal.entries.count == 1)
        }
    }

    @Test func answersPipelinedRequestsInTurn() async throws {
        try await IntakeFixture.run { (intake) async throws in
            try await RawHTTPClient.connect(port: intake.port) { client in
                var bytes: [UInt8] = []
                for index in 0..<20 {
                    bytes += RawHTTPClient.request(
                        index == 5 ? "GET" : "POST", "/okta",
                        headers: [IntakeFixture.auth],
                        body: index == 5 ? [] : Sample.envelope([Sample.event("\(index)")]))
                }
                try await client.send(bytes)
                for index in 0..<20 {
                    // The fifth is a verification without its challenge.
                    #expect(try await client.response().status == (index == 5 ? 400 : 200))
                }
            }
            #expect(intake.journal.entries.map(\.event.id) == (0..<20).filter { $0 != 5 }.map(String.init))
        }
    }

    /// Work for strangers is bounded: a whole pipeline of theirs costs one answer.
    @Test func answersAStrangerOnceAConnection() async throws {
        try await IntakeFixture.run { (intake) async throws in
            for path in ["/nowhere", "/okta"] {
                try await RawHTTPClient.connect(port: intake.port) { client in
                    let request = RawHTTPClient.request("GET", path)
                    try await client.send(Array(repeating: request, count: 50).flatMap(\.self))
                    let answers = String(decoding: await client.untilClosed(), as: UTF8.self)
                    #expect(answers.split(separator: "HTTP/1.1").count == 1)
                }
            }
        }
    }

    @Test func endsABodyThatNeverEnds() async throws {
        try await IntakeFixture.run {
            $0.requestTimeout = .seconds(3)
        } _: { (intake) async throws in
            try await RawHTTPClient.connect(port: intake.port) { client in
                let head = RawHTTPClient.request(
                    "POST", "/okta", headers: [IntakeFixture.auth, ("content-length", "1000")])
                try await client.send(head + Array("{".utf8))
                let answer = try await client.response()
                #expect(answer.status == 408 && answer["connection"] == "close")
                #expect(await client.untilClosed().isEmpty)
            }
            #expect(intake.metric(#"okta_relay_requests_total{hook="main",outcome="timed_out"}"#) == "1")
            #expect(intake.journal.quarantinedInputs.isEmpty)
        }
    }

    @Test(arguments: ["", "POST /okta HTTP/1.1\r\nHost: x\r\nX-Slow: "])
    func closesConnectionsWhoseHeadNeverComes(_ start: String) async throws {
        try await IntakeFixture.run {
            $0.requestTimeout = .seconds(3)
        } _: { (intake) async throws in
            try await RawHTTPClient.connect(port: intake.port) { client in
                if !start.isEmpty { try await client.send(start) }
                _ = await client.untilClosed()
            }
        }
    }

    @Test func closesConnectionsThatAreIdleAfterAnAnswer() async throws {
        try await IntakeFixture.run {
            $0.requestTimeout = .seconds(3)
        } _: { (intake) async throws in
            try await RawHTTPClient.connect(port: intake.port) { client in
                let request = RawHTTPClient.request(
                    "POST", "/okta", headers: [IntakeFixture.auth], body: Sample.envelope([]))
                for _ in 0..<3 {
                    try await client.send(request)
                    #expect(try await client.response().status == 200)
                }
                #expect(await client.untilClosed().isEmpty)
            }
        }
    }

    @Test func halfABodyIsNoBody() async throws {
        try await IntakeFixture.run { (intake) async throws in
            try await RawHTTPClient.connect(port: intake.port) { client in
                try await client.send(
                    RawHTTPClient.request(
                        "POST", "/okta", headers: [IntakeFixture.auth, ("content-length", "1000")]))
                try await client.send(Sample.envelope([Sample.event("1")]))
            }
            // Gone in the middle. The next request shows that nothing of it was taken.
            #expect(try await intake.deliver(Sample.envelope([Sample.event("2")])).status == 200)
            #expect(intake.journal.entries.map(\.event.id) == ["2"])
            #expect(intake.journal.quarantinedInputs.isEmpty)
        }
    }

    @Test func refusesHeadersWithoutEnd() async throws {
        try await IntakeFixture.run { (intake) async throws in
            try await RawHTTPClient.connect(port: intake.port) { client in
                try await client.send(
                    "GET /okta HTTP/1.1\r\nX: " + String(repeating: "a", count: 40_000) + "\r\n\r\n")
                let rest = String(decoding: await client.untilClosed(), as: UTF8.self)
                #expect(rest.isEmpty || rest.hasPrefix("HTTP/1.1 4"))
            }
        }
    }

    @Test func closesConnectionsOverTheMaximum() async throws {
        try await IntakeFixture.run {
            $0.connectionsMax = 1
        } _: { (intake) async throws in
            let request = RawHTTPClient.request("GET", "/okta", headers: [IntakeFixture.auth])
            try await RawHTTPClient.connect(port: intake.port) { first in
                try await first.send(request)
                #expect(try await first.response().status == 400)
                try await RawHTTPClient.connect(port: intake.port) { second in
                    #expect(await second.untilClosed().isEmpty)
                }
                try await first.send(request)
                #expect(try await first.response().status == 400)
            }
            #expect(intake.metric("okta_relay_connections_refused_total") == "1")
        }
    }

    @Test func finishesWhatIsUnderWayWhenItStops() async throws {
        try await IntakeFixture.run { (intake) async throws in
            intake.journal.holdAppends()
            async let answer = intake.deliver(Sample.envelope([Sample.event("1")]))
            _ = await intake.journal.nextAppend()
            await intake.stop()
            try await waitUntil { !intake.readiness.state.isReady }
            intake.journal.releaseAppends()
            let status = try await answer.status
            #expect(status == 200)
            #expect(intake.journal.entries.count == 1)
        }
    }

    @Test func speaksTLS() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "relay-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (certificate, key) = (folder.appending(path: "c.pem").path, folder.appending(path: "k.pem").path)
        let openssl = Process()
        openssl.executableURL = URL(filePath: "/usr/bin/openssl")
        openssl.arguments =
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
            .split(separator: " ").map(String.init)
            + ["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate]
        openssl.standardError = FileHandle.nullDevice
        try openssl.run()
        openssl.waitUntilExit()
        try #require(openssl.terminationStatus == 0)
        var trust = NIOSSL.TLSConfiguration.makeClientConfiguration()
        trust.trustRoots = .file(certificate)
        let clientTrust = trust
        try await IntakeFixture.run {
            $0.tls = Config.TLSConfiguration(certificatePath: certificate, keyPath: key)
        } _: { (intake) async throws in
            let answer = try await RawHTTPClient.send(
                "POST", "/okta", port: intake.port, tls: clientTrust, headers: [IntakeFixture.auth],
                body: Sample.envelope([Sample.event("1")]))
            #expect(answer.status == 200)
            #expect(intake.journal.entries.count == 1)
        }
    }

    @Test func saysWhyItCannotListen() async throws {
        try await IntakeFixture.run { first in
            let port = first.port
            await #expect(throws: ListenError.self) {
                try await IntakeFixture.run {
                    $0.listen.port = port
                } _: { _ in
                }
            }
        }
    }
}
