import Config

/// What `serve` tells whoever starts it: what to configure in Okta, and a line that sends a first event.
struct Greeting {
    let server: ServerConfiguration
    let hooks: [HookConfiguration]
    /// Where the hooks' secrets come from, in the hooks' order.
    let secrets: [[SecretSources.Source]]
    let admin: AdminConfiguration
    /// A file with an envelope to send, where there is one at hand.
    let eventFile: String?

    /// The lines; no secret is in them.
    var text: String {
        var lines = [
            "Okta calls here (Settings: Workflow > Event Hooks; press Verify there when it is saved):", "",
        ]
        for (index, hook) in hooks.enumerated() {
            let secret = index < secrets.count ? secrets[index].first : nil
            lines.append("  hook    \(hook.name)")
            lines.append("  URL     \(url(of: hook))")
            lines.append("  header  \(hook.header), with the value \(Self.whereabouts(secret))")
            lines.append("")
        }
        if server.tls == nil {
            lines.append(
                "Okta insists on https with a valid certificate: set server.tls, or put a TLS proxy in front."
            )
            lines.append("")
        }
        if let line = firstEventLine {
            lines.append("Send a first event:")
            lines.append("")
            lines.append("  \(line)")
            lines.append("")
        }
        lines.append("The operator's side is at \(Self.scheme(admin.tls))://\(admin.listen.reachable).")
        return lines.joined(separator: "\n")
    }

    /// A shell line for the first hook whose secret a shell can read.
    var firstEventLine: String? {
        guard let eventFile else { return nil }
        for (hook, sources) in zip(hooks, secrets) {
            let value: String
            switch sources.first {
            case .file(let path): value = "$(cat \(path))"
            case .environment(let name): value = "$\(name)"
            case .text, nil: continue
            }
            let trust = server.tls == nil ? "" : " -k"
            return "curl -sS -i\(trust) -H \"\(hook.header): \(value)\" -H 'Content-Type: application/json'"
                + " --data-binary @\(eventFile) \(url(of: hook))"
        }
        return nil
    }

    private func url(of hook: HookConfiguration) -> String {
        "\(Self.scheme(server.tls))://\(server.listen.reachable)\(hook.path)"
    }

    private static func scheme(_ tls: TLSConfiguration?) -> String { tls == nil ? "http" : "https" }

    private static func whereabouts(_ source: SecretSources.Source?) -> String {
        switch source {
        case .file(let path): "in \(path)"
        case .environment(let name): "of the environment variable \(name)"
        case .text, nil: "that stands in the config file"
        }
    }
}
