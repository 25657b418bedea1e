import Config

/// What a reload has to do to the sinks.
struct SinkChange {
    /// Enabled now and not before.
    private(set) var added: [SinkConfiguration] = []
    /// Enabled before and now, with other settings, or without a worker.
    private(set) var changed: [SinkConfiguration] = []
    /// Enabled before and not now: taken out of the file, or disabled.
    private(set) var removed: [String] = []

    /// - Parameters:
    ///   - old: All sinks of the configuration that runs.
    ///   - new: All sinks of the one that is to run.
    ///   - delivering: Sinks whose worker is there; one that has ended is started again by any reload.
    init(from old: [SinkConfiguration], to new: [SinkConfiguration], delivering: Set<String>) {
        let before = Dictionary(old.filter(\.isEnabled).map { ($0.name, $0) }) { first, _ in first }
        let after = new.filter(\.isEnabled)
        for sink in after {
            guard let running = before[sink.name] else {
                added.append(sink)
                continue
            }
            if running != sink || !delivering.contains(sink.name) { changed.append(sink) }
        }
        let names = Set(after.map(\.name))
        removed = old.filter { $0.isEnabled && !names.contains($0.name) }.map(\.name)
    }
}
