import Config
import Relay

extension HTTPMapping {
    /// The request that a delivery would be sent as, or why it would not.
    func preview(_ delivery: Delivery) -> DeliveryPreview {
        switch plan(delivery) {
        case .settled(let receipt): return .nothing(receipt.outcome)
        case .send(let step):
            do throws(CurlFailure) {
                try step.request.validate()
            } catch {
                return .nothing(.rejected(reason: error.reason))
            }
            let headers = step.request.headers.map { name, value in
                RequestPreview.Header(name: name, value: isSecret(name) ? "***" : value)
            }
            return .request(
                RequestPreview(
                    method: step.request.method, url: step.request.url, headers: headers,
                    body: step.request.body))
        }
    }

    /// What the user's state is when the delivery has gone through.
    func state(after delivery: Delivery) -> FoldState? {
        switch plan(delivery) {
        case .settled(let receipt): return receipt.state
        case .send(let step):
            guard (try? step.request.validate()) != nil else { return nil }
            return HTTPSink.state(step, delivery, isThere: step.request.method != "DELETE")
        }
    }

    /// Whether a header proves the relay to the endpoint, by `auth` or by what its name says.
    private func isSecret(_ name: String) -> Bool {
        let name = name.lowercased()
        if name == authenticationHeader?.lowercased() { return true }
        guard name != "idempotency-key" else { return false }
        return ["auth", "cookie", "token", "secret", "key", "password", "signature"].contains {
            name.contains($0)
        }
    }
}
