import Config
import HTTPTypes
import Relay
import Testing

@Suite struct HookAuthenticatorTests {
    private let authenticator = HookAuthenticator(
        HookConfiguration(
            name: "h", path: "/", header: "x-key",
            secrets: [Secret("one"), Secret(""), Secret(" two^% "), Secret("e\u{301}")]))

    private func verdict(_ values: String...) throws -> HookAuthenticator.Verdict {
        let name = try #require(HTTPField.Name("X-Key"))
        var fields: HTTPFields = [:]
        for value in values { fields.append(HTTPField(name: name, value: value)) }
        return authenticator.verdict(fields)
    }

    @Test func tellsWhichSecretMatched() throws {
        #expect(try verdict("one") == .accepted(secret: 0))
        #expect(try verdict("two^%") == .accepted(secret: 2))
    }

    @Test func comparesBytes() throws {
        #expect(try verdict("e\u{301}") == .accepted(secret: 3))
        #expect(try verdict("\u{E9}") == .refused(.wrong))
        #expect(try verdict("One") == .refused(.wrong))
        #expect(try verdict("one1") == .refused(.wrong))
        #expect(try verdict("on") == .refused(.wrong))
    }

    @Test func anEmptySecretMatchesNothing() throws {
        #expect(try verdict("") == .refused(.wrong))
        #expect(try verdict() == .refused(.missing))
    }

    @Test func refusesARepeatedHeader() throws {
        #expect(try verdict("one", "one") == .refused(.repeated))
    }

    /// Constant time by construction: digests of one length, and each process its own key.
    @Test func digestsDependOnNothingThatASenderKnows() {
        let first = SecretDigests([Secret("a"), Secret("b")])
        let second = SecretDigests([Secret("a"), Secret("b")])
        #expect(first.match("b".utf8) == 1 && second.match("b".utf8) == 1)
        #expect(first.match("".utf8) == nil)
        #expect(first.match(String(repeating: "b", count: 100_000).utf8) == nil)
    }
}

@Suite struct TrustedProxiesTests {
    private func client(_ trusted: [String], _ peer: String, _ forwarded: String...) throws -> String {
        let name = try #require(HTTPField.Name("X-Forwarded-For"))
        var fields: HTTPFields = [:]
        for value in forwarded { fields.append(HTTPField(name: name, value: value)) }
        return TrustedProxies(trusted).client(peer: peer, fields)
    }

    @Test func believesOnlyTrustedHops() throws {
        #expect(try client([], "192.0.2.1", "203.0.113.9") == "192.0.2.1")
        #expect(try client(["10.0.0.0/8"], "192.0.2.1", "203.0.113.9") == "192.0.2.1")
        #expect(try client(["10.0.0.0/8"], "10.1.2.3", "1.1.1.1, 203.0.113.9") == "203.0.113.9")
        #expect(try client(["10.0.0.0/8"], "10.1.2.3", "203.0.113.9", "10.9.9.9") == "203.0.113.9")
        #expect(try client(["10.0.0.0/8"], "::ffff:10.1.2.3", "203.0.113.9") == "203.0.113.9")
        #expect(try client(["fd00::/9"], "fd70::1", "2001:db8::5") == "2001:db8::5")
        #expect(try client(["10.1.2.3"], "10.1.2.3", "evil\u{1B}[0m") == "10.1.2.3")
        #expect(try client(["10.0.0.0/33", "x/8", "10.0.0.0/"], "10.1.2.3", "1.1.1.1") == "10.1.2.3")
    }
}
