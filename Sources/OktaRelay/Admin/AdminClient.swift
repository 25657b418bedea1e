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

    /// What came of a question.
    enum Answer {
        case document(JSONDocument)
        /// Nobody listens there.
        case notRunning
        /// Somebody answered, but not with what was asked for; the reason, for a person.
        case refused(String)
    }

    /// Where it listens, for a person.
    var address: String {
        HTTPTarget(calling: configuration.listen, isTLS: configuration.tls != nil, path: "/").description
    }

    /// GETs a JSON document.
    func get(_ path: String) async -> Answer {
        let target = HTTPTarget(calling: configuration.listen, isTLS: configuration.tls != nil, path: path)
        let request = ClientRequest(
            method: "GET",
            path: path,
            headers: [
                ("Authorization", "Bearer \(configuration.token.revealed)"), ("Accept", "application/json"),
            ]
        )
        do {
            // A loopback listener is this machine; elsewhere the token goes only to who proves the name.
            let connection = try await HTTPClientConnection(
                to: target, timeout: timeout, verifiesCertificate: !configuration.listen.isLoopback)
            let answer = try await connection.send(request, timeout: timeout)
            await connection.close()
            guard answer.status == 200 else { return .refused("it answered \(answer.status)") }
            guard let document = try? JSONDocument(answer.body) else {
                return .refused("it did not answer with JSON")
            }
            return .document(document)
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
