import Foundation
import RelayTesting
import Testing

@testable import Sinks

@Suite("The HTTP client, on real sockets")
struct CurlClientTests {
    private func request(
        _ method: String, _ url: String, headers: [(name: String, value: String)] = [], body: String? = nil,
        timeout: Duration = .seconds(60)
    ) -> CurlRequest {
        CurlRequest(
            method: method, url: url, headers: headers, body: body.map { Array($0.utf8) },
            policy: HTTPFixtures.open, timeout: timeout)
    }

    @Test(arguments: ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    func sendsTheMethodAndTheBodyAsGiven(method: String) async throws {
        try await withReceiver { receiver, client in
            _ = try await client.send(request(method, receiver.url + "/a?b=c", body: #"{"x":1}"#))
            _ = try await client.send(request(method, receiver.url + "/empty"))
            let requests = receiver.requests
            #expect(requests.map(\.method) == [method, method])
            #expect(requests.map(\.target) == ["/a?b=c", "/empty"])
            #expect(requests.map(\.text) == [#"{"x":1}"#, ""])
            #expect(requests.allSatisfy { $0.header("content-type") == nil && $0.header("expect") == nil })
            let hasLength = ["POST", "PUT", "PATCH"].contains(method)
            #expect((requests.last?.header("content-length") == "0") == hasLength)
            #expect(receiver.connections == 1, "the connection is kept")
        }
    }

    @Test func aRequestHasNothingOfTheOneBefore() async throws {
        try await withReceiver { receiver, client in
            let all = ["POST", "GET", "HEAD", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "POST"]
            for (index, method) in all.enumerated() {
                let body = index.isMultiple(of: 3) ? String(repeating: "x", count: 9 - index) : nil
                let headers = index.isMultiple(of: 2) ? [(name: "X-Even", value: "\(index)")] : []
                _ = try await client.send(request(method, receiver.url, headers: headers, body: body))
            }
            let requests = receiver.requests
            #expect(requests.map(\.method) == all)
            #expect(requests.map(\.text.utf8.count) == [9, 0, 0, 6, 0, 0, 3, 0, 0])
            #expect(requests.map { $0.header("x-even") } == ["0", nil, "2", nil, "4", nil, "6", nil, "8"])
            #expect(
                requests.map { $0.header("content-length") } == ["9", nil, nil, "6", nil, nil, "3", nil, "0"])
        }
    }

    @Test func sendsHeadersAsGivenAndReadsThoseOfTheResponse() async throws {
        let script: @Sendable (HTTPReceiver.Request) -> HTTPReceiver.Behaviour = { _ in
            .respond(201, headers: ["X-Thing:  spaced "], body: #"{"id":"c1"}"#)
        }
        try await withReceiver(script) { receiver, client in
            let response = try await client.send(
                request("POST", receiver.url, headers: [("X-One", "1"), ("X-Empty", "")], body: "{}"))
            #expect(response.status == 201)
            #expect(response.header("x-thing") == "spaced")
            #expect(String(decoding: response.body, as: UTF8.self) == #"{"id":"c1"}"#)
            #expect(response.isBodyComplete)
            #expect(receiver.requests.first?.header("x-one") == "1")
            #expect(receiver.requests.first?.header("x-empty") == "")
        }
    }

    @Test(arguments: ["a\r\nX-Evil: 1", "a\nb", "a\0b", "a\u{7F}"])
    func refusesControlCharactersInHeaders(value: String) async throws {
        try await withReceiver { receiver, client in
            let error = await failure {
                try await client.send(request("GET", receiver.url, headers: [("X-Name", value)]))
            }
            guard case .invalidRequest(let reason) = error as? CurlFailure else {
                Issue.record("not refused: \(String(describing: error))")
                return
            }
            #expect(reason.contains("X-Name") && !reason.contains("Evil"))
            #expect(receiver.connections == 0)
        }
    }

    @Test(arguments: [
        "https://user:secret@127.0.0.1/", "file:///etc/passwd", "ftp://127.0.0.1/", "/relative", "https://",
        "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y", "http://127.0.0.1/contacts/..",
        "http://127.0.0.1/contacts/%2E%2e/x", "gopher://127.0.0.1:1/",
    ])
    func refusesURLsThatMeanSomethingElse(url: String) async throws {
        let client = CurlClient()
        let error = await failure { try await client.send(request("GET", url)) }
        guard case .invalidRequest(let reason) = error as? CurlFailure else {
            Issue.record("not refused: \(String(describing: error))")
            return
        }
        #expect(!reason.contains("secret"))
        await client.shutdown()
    }

    @Test(arguments: ["Content-Length", "transfer-encoding", "Connection", "Bad Name", ""])
    func refusesHeadersThatFrameTheMessage(name: String) async throws {
        let client = CurlClient()
        let error = await failure {
            try await client.send(request("POST", "http://127.0.0.1:9/", headers: [(name, "1")]))
        }
        guard case .invalidRequest = error as? CurlFailure else {
            Issue.record("not refused: \(String(describing: error))")
            return
        }
        await client.shutdown()
    }

    // MARK: - A request is sent once

    /// A kept connection that dies under its second request.
    private let dyingConnection: @Sendable (HTTPReceiver.Request) -> HTTPReceiver.Behaviour = { request in
        request.numberOnConnection == 2 ? .closeBeforeResponse : .respond(200)
    }

    @Test(arguments: ["POST", "PATCH"])
    func neverSendsANonIdempotentRequestTwice(method: String) async throws {
        try await withReceiver(dyingConnection) { receiver, client in
            _ = try await client.send(request("PUT", receiver.url, body: "1"))
            let error = await failure { try await client.send(request(method, receiver.url, body: "2")) }
            guard case .outcomeUnknown = error as? CurlFailure else {
                Issue.record("not unknown: \(String(describing: error))")
                return
            }
            #expect(receiver.requests.map(\.method) == ["PUT", method])
            // Shows that this was the case in question: a kept connection.
            #expect(receiver.requests.last?.numberOnConnection == 2)
        }
    }

    /// The bound that makes such a death rare: below the 5 s after which servers drop idle connections.
    @Test func whatMustNotRepeatTakesOnlyAConnectionJustUsed() {
        #expect(ConnectionReuse().once < 5 && ConnectionReuse().once < ConnectionReuse().repeatable)
    }

    @Test func letsAnIdempotentRequestRepeatOnAFreshConnection() async throws {
        try await withReceiver(dyingConnection) { receiver, client in
            _ = try await client.send(request("PUT", receiver.url, body: "1"))
            let response = try await client.send(request("PUT", receiver.url, body: "2"))
            #expect(response.status == 200)
            #expect(receiver.requests.map(\.text) == ["1", "2", "2"])
        }
    }

    /// The second request on a connection finds what its first answer left there, and its own answer behind.
    private let untidyServer: @Sendable (HTTPReceiver.Request) -> HTTPReceiver.Behaviour = { request in
        request.numberOnConnection == 2
            ? .raw("{\"ok\":true}HTTP/1.1 204 Scripted\r\n\r\n") : .respond(204)
    }

    @Test func bytesThatAreLeftOnAKeptConnectionAreNoAnswer() async throws {
        try await withReceiver(untidyServer) { receiver, client in
            for text in ["1", "2", "3", "4"] {
                let response = try await client.send(request("PUT", receiver.url, body: text))
                #expect(response.status == 204)
            }
            // Once is enough to know such a server by.
            #expect(receiver.requests.map(\.text) == ["1", "2", "2", "3", "4"])
            let response = try await client.send(request("POST", receiver.url, body: "5"))
            #expect(response.status == 204)
            #expect(receiver.requests.map(\.connection) == [1, 1, 2, 3, 4, 5])
        }
    }

    @Test func leftBytesDoNotSendANonIdempotentRequestTwice() async throws {
        try await withReceiver(untidyServer) { receiver, client in
            _ = try await client.send(request("PUT", receiver.url, body: "1"))
            let error = await failure { try await client.send(request("POST", receiver.url, body: "2")) }
            guard case .outcomeUnknown(let reason) = error as? CurlFailure else {
                Issue.record("not unknown: \(String(describing: error))")
                return
            }
            #expect(reason.contains("left behind an earlier one") && !reason.contains("check scheme"))
            #expect(receiver.requests.map(\.text) == ["1", "2"])
        }
    }

    @Test func whatIsNoHTTPOnAFreshConnectionTooIsTheAnswer() async throws {
        try await withReceiver({ $0.number == 1 ? .respond(200) : .raw("ERROR\n") }) { receiver, client in
            _ = try await client.send(request("PUT", receiver.url, body: "1"))
            let error = await failure { try await client.send(request("PUT", receiver.url, body: "2")) }
            guard case .outcomeUnknown(let reason) = error as? CurlFailure else {
                Issue.record("not unknown: \(String(describing: error))")
                return
            }
            #expect(reason.contains("no HTTP server"))
            #expect(receiver.requests.map(\.text) == ["1", "2", "2"])
        }
    }

    // MARK: - Broken and slow destinations

    @Test func tellsARefusedConnectionFromALostResponse() async throws {
        try await withReceiver({ _ in .closeBeforeResponse }) { receiver, client in
            let lost = await failure { try await client.send(request("POST", receiver.url)) }
            guard case .outcomeUnknown = lost as? CurlFailure else {
                Issue.record("\(String(describing: lost))")
                return
            }
            receiver.stop()
        }
        let client = CurlClient()
        // Port 1 of loopback: nobody listens there.
        let refused = await failure { try await client.send(request("POST", "http://127.0.0.1:1/")) }
        guard case .notSent = refused as? CurlFailure else {
            Issue.record("\(String(describing: refused))")
            return
        }
        await client.shutdown()
    }

    @Test func givesUpOnAServerThatNeverAnswers() async throws {
        try await withReceiver({ _ in .silence }) { receiver, client in
            let error = await failure {
                try await client.send(request("PUT", receiver.url, timeout: .milliseconds(200)))
            }
            guard case .outcomeUnknown(let reason) = error as? CurlFailure else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(reason.contains("(curl 28)"))
        }
    }

    /// A router has forgotten the connections, and nobody has told either side.
    @Test func afterASilenceNoConnectionOfBeforeIsTaken() async throws {
        let script: @Sendable (HTTPReceiver.Request) -> HTTPReceiver.Behaviour = { request in
            switch request.target {
            case "/together": .gather(2, 200)
            case "/silent": .silence
            default: .respond(200)
            }
        }
        try await withReceiver(script) { receiver, client in
            async let one = client.send(request("GET", receiver.url + "/together"))
            async let other = client.send(request("GET", receiver.url + "/together"))
            _ = try await (one, other)
            #expect(receiver.connections == 2)
            let silent = request("PUT", receiver.url + "/silent", timeout: .milliseconds(200))
            await #expect(throws: CurlFailure.self) { try await client.send(silent) }
            _ = try await client.send(request("GET", receiver.url + "/next"))
            #expect(receiver.requests.last?.connection == 3)
        }
    }

    /// Many at once, few, and many again: nobody opens anew what was there.
    @Test func burstsKeepTheirConnections() async throws {
        try await withReceiver({ _ in .gather(8, 200) }) { receiver, client in
            for _ in 0..<5 {
                try await withThrowingTaskGroup { group in
                    for _ in 0..<8 {
                        let request = request("PUT", receiver.url + "/")
                        group.addTask { _ = try await client.send(request) }
                    }
                    try await group.waitForAll()
                }
            }
            #expect(receiver.connections == 8)
        }
    }

    @Test func aCutHeadIsNoResponseAndACutBodyIsOne() async throws {
        let script: @Sendable (HTTPReceiver.Request) -> HTTPReceiver.Behaviour = { request in
            request.target == "/head" ? .cutHead : .cutBody(201)
        }
        try await withReceiver(script) { receiver, client in
            let error = await failure { try await client.send(request("POST", receiver.url + "/head")) }
            guard case .outcomeUnknown = error as? CurlFailure else {
                Issue.record("\(String(describing: error))")
                return
            }
            let response = try await client.send(request("POST", receiver.url + "/body"))
            #expect(response.status == 201 && !response.isBodyComplete && response.isCutOff)
        }
    }

    @Test func keepsTheFirst64KiBOfAHugeBody() async throws {
        let body = String(repeating: "0123456789abcdef", count: 256 * 1024)
        try await withReceiver({ _ in .respond(200, body: body) }) { receiver, client in
            let response = try await client.send(request("GET", receiver.url))
            #expect(response.status == 200)
            #expect(response.body.count == 64 * 1024 && !response.isBodyComplete && !response.isCutOff)
        }
    }

    @Test func refusesEndlessHeaders() async throws {
        let headers = (0..<1_000).map { "X-\($0): " + String(repeating: "a", count: 100) }
        try await withReceiver({ _ in .respond(200, headers: headers) }) { receiver, client in
            let error = await failure { try await client.send(request("GET", receiver.url)) }
            guard case .badResponse = error as? CurlFailure else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
    }

    @Test func doesNotFollowRedirects() async throws {
        let script: @Sendable (HTTPReceiver.Request) -> HTTPReceiver.Behaviour = { request in
            .respond(302, headers: ["Location: http://\(request.header("host") ?? "")/elsewhere"])
        }
        try await withReceiver(script) { receiver, client in
            let response = try await client.send(request("POST", receiver.url + "/here", body: "{}"))
            #expect(response.status == 302)
            #expect(receiver.requests.map(\.target) == ["/here"])
        }
    }

    @Test func readsEveryFormOfRetryAfter() async throws {
        let script: @Sendable (HTTPReceiver.Request) -> HTTPReceiver.Behaviour = { request in
            switch request.target {
            case "/seconds": return .respond(503, headers: ["Retry-After: 7"])
            case "/garbage": return .respond(503, headers: ["Retry-After: soon"])
            case "/past": return .respond(503, headers: ["Retry-After: Mon, 01 Jan 2024 00:00:00 GMT"])
            default: return .respond(503, headers: ["Retry-After: Fri, 01 Jan 2100 00:00:00 GMT"])
            }
        }
        try await withReceiver(script) { receiver, client in
            func retryAfter(_ path: String) async throws -> Duration? {
                try await client.send(request("GET", receiver.url + path)).retryAfter
            }
            #expect(try await retryAfter("/seconds") == .seconds(7))
            #expect(try await retryAfter("/garbage") == nil)
            #expect(try await retryAfter("/past") == nil)
            let date = try #require(try await retryAfter("/date"))
            #expect(date > .seconds(1_000_000))
        }
    }

    // MARK: - Many, and the end

    @Test func carriesManyRequestsAtTheSameTime() async throws {
        try await withReceiver({ _ in .gather(16, 204) }) { receiver, client in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<16 {
                    group.addTask {
                        try await client.send(request("PUT", receiver.url + "/\(number)")).status
                    }
                }
                for try await status in group { #expect(status == 204) }
            }
            #expect(receiver.connections == 16)
        }
    }

    @Test func aCancelledTaskLetsGoOfItsTransfer() async throws {
        try await withReceiver({ _ in .silence }) { receiver, client in
            // Awaited below.
            let task = Task { await failure { try await client.send(request("PUT", receiver.url)) } }
            await receiver.waitForRequests(1)
            task.cancel()
            #expect(await task.value as? CurlFailure == .cancelled)
        }
    }

    @Test func shutdownEndsWhatIsInFlightAndRefusesTheRest() async throws {
        try await withReceiver({ _ in .silence }) { receiver, client in
            // Awaited below.
            let task = Task { await failure { try await client.send(request("PUT", receiver.url)) } }
            await receiver.waitForRequests(1)
            await client.shutdown()
            #expect(await task.value as? CurlFailure == .cancelled, "it was sent")
            let late = await failure { try await client.send(request("PUT", receiver.url)) }
            #expect(late as? CurlFailure == .closed)
        }
    }
}
