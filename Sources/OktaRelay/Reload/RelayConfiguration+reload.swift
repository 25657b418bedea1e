import Config

extension RelayConfiguration {
    /// This configuration with those parts of the running one that cannot change while it runs, and the keys
    /// where the two differ in them.
    ///
    /// `docs/OPERATING.md` lists them: what listeners and the journal were opened with.
    func keepingWhatNeedsARestart(
        of running: RelayConfiguration
    ) -> (configuration: RelayConfiguration, keys: [String]) {
        var kept = self
        var keys: [String] = []
        func keep<Value: Equatable>(_ path: WritableKeyPath<RelayConfiguration, Value>, _ key: String) {
            if kept[keyPath: path] != running[keyPath: path] { keys.append(key) }
            kept[keyPath: path] = running[keyPath: path]
        }
        keep(\.server.listen, "server.listen")
        keep(\.server.tls, "server.tls")
        keep(\.server.requestTimeout, "server.requestTimeout")
        keep(\.server.connectionsMax, "server.maxConnections")
        keep(\.server.shutdownTimeout, "server.shutdownTimeout")
        keep(\.admin.listen, "admin.listen")
        keep(\.admin.tls, "admin.tls")
        keep(\.journal.path, "journal.path")
        keep(\.journal.retention, "journal.retention")
        keep(\.journal.sizeMax, "journal.maxSize")
        keep(\.journal.receipts, "journal.receipts")
        keep(\.journal.deadLetterBytesMax, "journal.maxDeadLetters")
        keep(\.journal.quarantineBytesMax, "journal.maxQuarantine")
        return (kept, keys)
    }

    /// Hooks of both configurations whose secrets differ, so that their places in the list mean others.
    func hooksWithOtherSecrets(than next: RelayConfiguration) -> Set<String> {
        let mine = Dictionary(hooks.map { ($0.name, $0.secrets) }) { first, _ in first }
        return Set(
            next.hooks.filter { hook in mine[hook.name].map { $0 != hook.secrets } ?? false }.map(\.name))
    }
}
