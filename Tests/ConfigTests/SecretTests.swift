import Config
import Testing

@Suite struct SecretTests {
    @Test func isNeverSeen() {
        let secret = Secret("hunter2-hunter2")
        struct Holder { let token: Secret }
        var dumped = ""
        dump(Holder(token: secret), to: &dumped)
        dump(secret, to: &dumped)
        let texts = [
            secret.description, secret.debugDescription, "\(secret)", String(reflecting: secret),
            String(describing: Holder(token: secret)), String(reflecting: [secret]), dumped,
            "\(Mirror(reflecting: secret).children.map { "\($0)" })", "\(Optional(secret) as Any)",
            String(describing: HTTPAuthentication.basic(user: "u", password: secret)),
        ]
        for text in texts { #expect(!text.contains("hunter2")) }
        #expect(secret.revealed == "hunter2-hunter2")
    }
}
