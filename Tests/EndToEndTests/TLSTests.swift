import Foundation
import JSON
import NIOSSL
import RelayTesting
import Testing

/// HTTPS in the process itself, with a certificate as an administrator makes one.
@Suite(.timeLimit(.minutes(2))) struct TLSTests {
    @Test func theHookIsVerifiedOverTLS() async throws {
        let setup = try RelaySetup(
            server: #", "tls": { "certificate": "tls.pem", "key": "tls.key" }"#,
            sinks: Destinations.sqlite, rules: Destinations.rule(to: "users", "audit"))
        try Self.makeCertificate(in: setup.folder)
        let relay = try await setup.start()
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .file(setup.folder.file("tls.pem"))
        let answer = try await RawHTTPClient.send(
            "GET", "/okta/events", port: setup.port, tls: tls,
            headers: [
                ("Authorization", RelaySetup.secret), ("X-Okta-Verification-Challenge", "a-b_c-4711"),
            ])
        #expect(answer.status == 200)
        #expect(answer.text == #"{"verification":"a-b_c-4711"}"#)
        #expect(answer["content-type"]?.hasPrefix("application/json") == true)

        let report = try await setup.json("simulate", "--insecure", "--events", "20", "--users", "3")
        #expect(report["acknowledgedEvents"]?.int == 20)
        // Whoever does not know the certificate is not taken in.
        #expect(try await setup.run("simulate", "--events", "1").status == 1)
        #expect(await relay.stop() == 0)
    }

    private static func makeCertificate(in folder: TemporaryFolder) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments =
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
            .split(separator: " ").map(String.init)
            + ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
            + ["-keyout", folder.file("tls.key"), "-out", folder.file("tls.pem")]
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "openssl made no certificate")
    }
}
