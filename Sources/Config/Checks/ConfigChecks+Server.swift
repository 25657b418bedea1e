import JSON
import Rules

extension ConfigChecks {
    func checkServer() {
        let server = draft.server
        let listen = place("server", "listen")
        let isOpen = isSound(listen) && !server.listen.isLoopback
        if isOpen, !has(place("server", "tls")), server.trustedProxies.isEmpty,
            isSound(place("server", "trustedProxies"))
        {
            warning(
                "plain HTTP for other machines shows the hook secret to the network; set \"tls\", or"
                    + " \"trustedProxies\" if a proxy ends TLS in front of the relay", at: listen)
        }
        if has(place("server", "maxBody")), isSound(place("server", "maxBody")),
            server.bodyBytesMax < 1 << 20
        {
            warning(
                "under 1MiB; a request with 500 events is longer, and Okta never sends again what was refused"
                    + " for its size", at: place("server", "maxBody"))
        }
        for (index, proxy) in server.trustedProxies.enumerated() {
            checkProxy(proxy, at: place("server", "trustedProxies", .index(index)))
        }
        if let tls = server.tls { checkTLS(tls, at: place("server", "tls")) }
    }

    func checkAdmin() {
        let admin = draft.admin
        let listen = place("admin", "listen")
        if isSound(listen), !admin.listen.isLoopback, !has(place("admin", "tls")), isSound(place("admin")) {
            error(
                "the admin side may leave this machine only with TLS; set \"tls\", or listen at"
                    + " 127.0.0.1:\(admin.listen.port)", at: listen)
        }
        if isSound(listen), isSound(place("server", "listen")), admin.listen.port != 0,
            overlap(admin.listen, draft.server.listen)
        {
            error(
                "the admin side and the server cannot listen at the same address; use another port",
                at: has(listen) ? listen : place("server", "listen"))
        }
        if isSound(place("admin")) {
            checkSecret(admin.token, at: place("admin", "token"), isOurs: true)
        }
        if let tls = admin.tls { checkTLS(tls, at: place("admin", "tls")) }
    }

    func checkHooks() {
        let hooks = draft.hooks
        checkUnique(hooks.enumerated().map { ($1.name, place("hooks", .index($0), "name")) }) {
            "another hook is called \"\($0)\" already; names must differ"
        }
        checkUnique(hooks.enumerated().map { ($1.path, place("hooks", .index($0), "path")) }) {
            "another hook has the path \"\(quotable($0))\" already; paths must differ"
        }
        for (index, hook) in hooks.enumerated() {
            let header = place("hooks", .index(index), "header")
            if [
                "host", "content-length", "content-type", "connection", "transfer-encoding",
                "x-okta-verification-challenge",
            ].contains(hook.header.lowercased()) {
                error(
                    "\(hook.header) has a meaning of its own; use Authorization or a header of yours",
                    at: header)
            }
            for (number, secret) in hook.secrets.enumerated() {
                checkSecret(
                    secret, at: place("hooks", .index(index), "secrets", .index(number)), isOurs: true)
            }
        }
    }

    private func overlap(_ a: ListenAddress, _ b: ListenAddress) -> Bool {
        let everywhere: Set = ["0.0.0.0", "::"]
        return a.port == b.port
            && (a.host == b.host || everywhere.contains(a.host) || everywhere.contains(b.host))
    }

    private func checkProxy(_ proxy: String, at pointer: JSONPointer) {
        guard isSound(pointer) else { return }
        let halves = proxy.split(separator: "/").map(String.init)
        guard let address = halves.first, let bits = IPAddressText.bits(address) else {
            return error(
                "\"\(quotable(proxy))\" is not an IP address or CIDR block, such as \"10.0.0.0/8\"",
                at: pointer)
        }
        guard halves.count == 2, let length = Int(halves[1]) else { return }
        if length > bits {
            error("a prefix of \(length) bits, but the address has only \(bits)", at: pointer)
        } else if length == 0 {
            warning("every caller could claim any address; name your proxies' block instead", at: pointer)
        }
    }

    private func checkTLS(_ tls: TLSConfiguration, at pointer: JSONPointer) {
        for (key, path) in [("certificate", tls.certificatePath), ("key", tls.keyPath)] {
            checkPath(path, at: pointer.appending(key))
            let absolute = ConfigSurroundings.absolute(path, in: context.directory)
            guard isSound(pointer.appending(key)) else { continue }
            switch context.surroundings.read(absolute) {
            case .contents(let bytes):
                if bytes.firstRange(of: Array("-----BEGIN ".utf8)) == nil {
                    error("not a PEM file: it has no \"-----BEGIN\" line", at: pointer.appending(key))
                }
            case .missing: error("the file \(quotable(path)) does not exist", at: pointer.appending(key))
            case .unreadable(let reason):
                error("the file \(quotable(path)) cannot be read: \(reason)", at: pointer.appending(key))
            }
        }
    }

    /// Paths are taken as they are: no shell expands them.
    func checkPath(_ path: String, at pointer: JSONPointer) {
        guard isSound(pointer), isLiteral(pointer) else { return }
        if path.hasPrefix("~") {
            error("\"~\" is not expanded; write the whole path, or ${env:HOME}", at: pointer)
        } else if path.hasSuffix("/") {
            error("a directory; name the file in it", at: pointer)
        }
    }
}
