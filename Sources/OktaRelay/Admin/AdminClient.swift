import Config
import JSON
import Relay

/// Asks the admin listener of the relay that runs on this config, if one does.
struct AdminClient {
    private let configuration: AdminConfiguration
    private let timeout: Duration

    init(_ configuration: AdminConfiguration, timeout: Duration = .seconds(2)) {
        self.configuration = configuration
        self.timeout = timeout
    }

    /// What came of a request.
    enum Answer {
        /// A JSON document, with the status it came with.
        case document(JSONDocument, status: Int)
        /// Nobody listens there.
        case notRunning
        /// Somebody is there, but does not answer as a relay does; the reason, for a person.
        case refused(String)
    }

    /// Where it listens, for a person.
    var address: String {
        HTTPTarget(calling: configuration.listen, isTLS: configuration.tls != nil, path: "/").description
    }

    /// Asks for a JSON document.
    func get(_ path: String) async -> Answer { await send("GET", path, body: []) }

    /// Sends a request, with a JSON text as its body.
    func send(_ method: String, _ path: String, body: [UInt8]) async -> Answer {
        let target = HTTPTarget(calling: configuration.listen, isTLS: configuration.tls != nil, path: path)
        let request = ClientRequest(
            method: method,
            path: path,
            headers: [
                ("Authorization", "Bearer \(configuration.token.revealed)"), ("Accept", "application/json"),
            ],
            body: body
        )
        do {
            // A loopback listener is this machine; elsewhere the token goes only to who proves the name.
            let connection = try await HTTPClientConnection(
                to: target, timeout: timeout, verifiesCertificate: !configuration.listen.isLoopback)
            let answer = try await connection.send(request, timeout: timeout)
            await connection.close()
            guard let document = try? JSONDocument(answer.body) else {
                return .refused("it answered \(answer.status) and not with JSON")
            }
            return .document(document, status: answer.status)
        } catch {
            if case .cannotConnect = error { return .notRunning }
            return .refused(error.reason)
        }
    }
}

extension ListenAddress {
    /// The address to call: one to listen at everywhere is reached over loopback.
    var reachable: ListenAddress {
        switch host {
        case "0.0.0.0": ListenAddress(host: "127.0.0.1", port: port)
        case "::": ListenAddress(host: "::1", port: port)
        default: self
        }
    }
}

extension HTTPTarget {
    /// A path of a listener of ours.
    init(calling address: ListenAddress, isTLS: Bool, path: String) {
        let reachable = address.reachable
        self.init(isTLS: isTLS, host: reachable.host, port: reachable.port, path: path)
    }
}
