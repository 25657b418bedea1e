import Synchronization

/// What the relay counts, and how it is shown to Prometheus; the names are listed in `docs/METRICS.md`.
///
/// Counters start at 0 with the process. May be used from any thread; no call waits for anything but a short
/// lock.
public final class RelayMetrics: Sendable {
    /// Upper bounds of the append histogram, in nanoseconds: an fsync on good disks, on slow ones, and Okta's
    /// 3 s.
    private static let appendBounds: [Int64] = [
        1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000,
        500_000_000, 1_000_000_000, 2_500_000_000,
    ]

    private struct HookCounts {
        var requests: [RequestOutcome: Int] = [:]
        var accepted = 0
        var duplicates = 0
        var quarantined = 0
        var unrouted = 0
        var appendFailures = 0
        /// By index in the config file; nanoseconds since 1970.
        var secretLastUsed: [Int: Int64] = [:]

        mutating func add(_ receipt: AppendReceipt) {
            accepted += receipt.accepted
            duplicates += receipt.duplicates
            quarantined += receipt.quarantined
            unrouted += receipt.unrouted
        }
    }

    private struct SinkCounts {
        var outcomes: [SettledOutcome: Int] = [:]
        var retried = 0
        var dead = 0
        var breaker: BreakerState?
    }

    private struct Counts {
        /// The empty name stands for requests that no hook has the path of.
        var hooks: [String: HookCounts] = [:]
        var sinks: [String: SinkCounts] = [:]
        var refusedConnections = 0
        var appendBuckets = [Int](repeating: 0, count: RelayMetrics.appendBounds.count)
        var appendCount = 0
        var appendNanoseconds: Int64 = 0
    }

    private let counts: Mutex<Counts>
    private let version: String
    private let startedAt: Int64

    /// - Parameters:
    ///   - hooks: The configured hooks' names, so that each is there with zeros from the start.
    ///   - sinks: The same for sinks.
    ///   - startedAt: Nanoseconds since 1970.
    public init(version: String, hooks: [String] = [], sinks: [String] = [], startedAt: Int64) {
        self.version = version
        self.startedAt = startedAt
        var counts = Counts()
        for hook in hooks { counts.hooks[hook] = HookCounts() }
        for sink in sinks { counts.sinks[sink] = SinkCounts() }
        self.counts = Mutex(counts)
    }

    // MARK: - Reload

    /// Shows these hooks and no others from now on, new ones with zeros.
    ///
    /// - Parameter changedSecrets: Hooks whose secrets are not those of before, so that what is known of the
    ///   secrets' use is no longer theirs.
    public func show(hooks: [String], changedSecrets: Set<String>) {
        counts.withLock { counts in
            // The empty name is nobody's hook, and stays.
            counts.hooks = counts.hooks.filter { $0.key.isEmpty || hooks.contains($0.key) }
            for hook in hooks where counts.hooks[hook] == nil { counts.hooks[hook] = HookCounts() }
            for hook in changedSecrets { counts.hooks[hook]?.secretLastUsed = [:] }
        }
    }

    /// Shows a sink, with zeros where it is new.
    func add(sink: String) {
        counts.withLock { if $0.sinks[sink] == nil { $0.sinks[sink] = SinkCounts() } }
    }

    /// Shows a sink no longer.
    func remove(sink: String) { counts.withLock { $0.sinks[sink] = nil } }

    // MARK: - Intake

    func request(hook: String?, _ outcome: RequestOutcome) {
        counts.withLock { $0.hooks[hook ?? "", default: HookCounts()].requests[outcome, default: 0] += 1 }
    }

    func connectionRefused() { counts.withLock { $0.refusedConnections += 1 } }

    func secretUsed(hook: String, secret: Int, at: Int64) {
        counts.withLock { $0.hooks[hook, default: HookCounts()].secretLastUsed[secret] = at }
    }

    func appended(hook: String, _ receipt: AppendReceipt, took: Duration) {
        let nanoseconds = took.nanoseconds
        counts.withLock { counts in
            counts.hooks[hook, default: HookCounts()].add(receipt)
            counts.appendCount += 1
            counts.appendNanoseconds += nanoseconds
            if let bucket = Self.appendBounds.firstIndex(where: { nanoseconds <= $0 }) {
                counts.appendBuckets[bucket] += 1
            }
        }
    }

    func appendFailed(hook: String) {
        counts.withLock { $0.hooks[hook, default: HookCounts()].appendFailures += 1 }
    }

    // MARK: - Delivery

    /// A settle was committed: how many deliveries ended in which way.
    public func settled(sink: String, outcomes: [SettledOutcome: Int], retried: Int, dead: Int) {
        counts.withLock { counts in
            var mine = counts.sinks[sink] ?? SinkCounts()
            mine.outcomes.merge(outcomes, uniquingKeysWith: +)
            mine.retried += retried
            mine.dead += dead
            counts.sinks[sink] = mine
        }
    }

    /// A sink's breaker changed.
    public func breaker(sink: String, _ state: BreakerState) {
        counts.withLock { $0.sinks[sink, default: SinkCounts()].breaker = state }
    }

    // MARK: - Rendering

    /// Everything as Prometheus reads it.
    ///
    /// - Parameters:
    ///   - status: The journal's own account; nil where it cannot be had now, then its gauges are left out.
    ///   - isReady: What `/readyz` answers.
    ///   - now: Nanoseconds since 1970.
    public func render(status: JournalStatus?, isReady: Bool, now: Int64) -> String {
        let counts = counts.withLock { $0 }
        var text = PrometheusText()
        text.family(.buildInfo)
        text.sample(.buildInfo, [("version", version)], 1)
        text.family(.startTime)
        text.sample(.startTime, [], PrometheusText.seconds(startedAt))
        text.family(.ready)
        text.sample(.ready, [], isReady ? 1 : 0)
        Self.renderHooks(counts, to: &text)
        Self.renderAppends(counts, to: &text)
        Self.renderJournal(status, to: &text)
        Self.renderSinks(counts, to: &text)
        Self.renderLag(status, now: now, to: &text)
        return text.text
    }

    private static func renderHooks(_ counts: Counts, to text: inout PrometheusText) {
        let hooks = counts.hooks.sorted { $0.key < $1.key }
        text.family(.requests)
        for (hook, mine) in hooks {
            for outcome in RequestOutcome.allCases where mine.requests[outcome] != nil || !hook.isEmpty {
                text.sample(
                    .requests, [("hook", hook), ("outcome", outcome.rawValue)], mine.requests[outcome] ?? 0)
            }
        }
        text.family(.refusedConnections)
        text.sample(.refusedConnections, [], counts.refusedConnections)
        text.family(.secretLastUsed)
        for (hook, mine) in hooks {
            for (index, at) in mine.secretLastUsed.sorted(by: { $0.key < $1.key }) {
                text.sample(
                    .secretLastUsed, [("hook", hook), ("secret", String(index))], PrometheusText.seconds(at))
            }
        }
        let named = hooks.filter { !$0.key.isEmpty }
        for (family, count) in [
            (.accepted, \.accepted), (.duplicates, \.duplicates), (.quarantined, \.quarantined),
            (.unrouted, \.unrouted), (.appendFailures, \.appendFailures),
        ] as [(MetricFamily, KeyPath<HookCounts, Int>)] {
            text.family(family)
            for (hook, mine) in named { text.sample(family, [("hook", hook)], mine[keyPath: count]) }
        }
    }

    private static func renderAppends(_ counts: Counts, to text: inout PrometheusText) {
        text.family(.appendDuration)
        var total = 0
        for (bound, count) in zip(appendBounds, counts.appendBuckets) {
            total += count
            text.sample(
                .appendDuration, suffix: "_bucket", [("le", PrometheusText.seconds(bound))], String(total))
        }
        text.sample(.appendDuration, suffix: "_bucket", [("le", "+Inf")], String(counts.appendCount))
        text.sample(
            .appendDuration, suffix: "_sum", [], PrometheusText.seconds(counts.appendNanoseconds))
        text.sample(.appendDuration, suffix: "_count", [], String(counts.appendCount))
    }

    private static func renderSinks(_ counts: Counts, to text: inout PrometheusText) {
        let sinks = counts.sinks.sorted { $0.key < $1.key }
        text.family(.settled)
        for (sink, mine) in sinks {
            for outcome in SettledOutcome.allCases {
                text.sample(
                    .settled, [("sink", sink), ("outcome", outcome.rawValue)], mine.outcomes[outcome] ?? 0)
            }
        }
        text.family(.retried)
        for (sink, mine) in sinks { text.sample(.retried, [("sink", sink)], mine.retried) }
        text.family(.dead)
        for (sink, mine) in sinks { text.sample(.dead, [("sink", sink)], mine.dead) }
        text.family(.breaker)
        for (sink, mine) in sinks {
            guard let current = mine.breaker else { continue }
            for state in BreakerState.allCases {
                text.sample(
                    .breaker, [("sink", sink), ("state", state.rawValue)], state == current ? 1 : 0)
            }
        }
    }

    private static func renderJournal(_ status: JournalStatus?, to text: inout PrometheusText) {
        text.family(.journalSize)
        if let status { text.sample(.journalSize, [], status.sizeBytes) }
        text.family(.journalUsed)
        if let status { text.sample(.journalUsed, [], status.usedBytes) }
        text.family(.journalMax)
        if let sizeMax = status?.sizeMaxBytes { text.sample(.journalMax, [], sizeMax) }
        text.family(.expired)
        guard let status else { return }
        text.sample(.expired, [("of", "events")], status.expired)
        text.sample(.expired, [("of", "dead_letters")], status.deadLettersExpired)
        text.sample(.expired, [("of", "quarantine")], status.quarantineExpired)
    }

    private static func renderLag(_ status: JournalStatus?, now: Int64, to text: inout PrometheusText) {
        let sinks = status?.sinks ?? []
        text.family(.waiting)
        for sink in sinks { text.sample(.waiting, [("sink", sink.name)], sink.waiting) }
        text.family(.parked)
        for sink in sinks { text.sample(.parked, [("sink", sink.name)], sink.parked) }
        text.family(.detached)
        for sink in sinks { text.sample(.detached, [("sink", sink.name)], sink.detached) }
        text.family(.oldestWaiting)
        for sink in sinks {
            let age = sink.oldestWaitingSince.map { max(0, now - $0) } ?? 0
            text.sample(.oldestWaiting, [("sink", sink.name)], PrometheusText.seconds(age))
        }
    }
}

/// How a request at the public listener ended; the raw value is the metric's label.
public enum RequestOutcome: String, Sendable, CaseIterable {
    case accepted
    case verified
    case unauthorized
    case notAnEnvelope = "not_an_envelope"
    case missingChallenge = "missing_challenge"
    case tooLarge = "too_large"
    case timedOut = "timed_out"
    case notFound = "not_found"
    case methodNotAllowed = "method_not_allowed"
    /// The journal could not commit.
    case unavailable
    /// The journal had not committed in time.
    case deadlinePassed = "deadline_passed"
    /// The client went away, or sent what is not HTTP.
    case brokenOff = "broken_off"
}
