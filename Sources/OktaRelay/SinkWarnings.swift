import Config
import Logging
import Relay

/// What an operator should know of sinks before events for them are given up.
struct SinkWarnings {
    let sink: String
    let waiting: Int
    let text: String

    /// Sinks for which events wait and that are not in the config, and those that are behind for more than
    /// half of what they may.
    static func find(
        _ status: JournalStatus, _ configuration: RelayConfiguration, at now: Int64
    ) -> [SinkWarnings] {
        let policies = Dictionary(configuration.sinkPolicies.map { ($0.name, $0) }) { first, _ in first }
        return status.sinks.filter { $0.waiting > 0 }.compactMap { sink in
            let text =
                if let policy = policies[sink.name] {
                    behind(sink, policy, configuration, at: now)
                } else {
                    removed(sink, status, configuration, at: now)
                }
            return text.map { SinkWarnings(sink: sink.name, waiting: sink.waiting, text: $0) }
        }
    }

    /// Of a sink that is not in the config; nil where another takes over.
    private static func removed(
        _ sink: SinkStatus, _ status: JournalStatus, _ configuration: RelayConfiguration, at now: Int64
    ) -> String? {
        let waits = "\(waitingText(sink)), which is not in the config"
        let end = """
            give them up with `okta-relay sinks drop \(sink.name) --force`; what has waited for \
            \(Wording.duration(configuration.journal.retention)) is given up by itself
            """
        guard let heir = configuration.sinks.first(where: { $0.renamedFrom == sink.name })?.name else {
            return """
                \(waits): put it back, name it as "renamedFrom" of a sink that has had no event yet, \
                replay them to another, or \(end)
                """
        }
        guard let known = status.sinks.first(where: { $0.name == heir }), !known.isUntouched else {
            return nil
        }
        let since = Wording.time(sink.oldestWaitingReceivedAt ?? now)
        return """
            \(waits), and "\(heir)" does not take over from it, for it has had events of its own already: \
            put it back, send them with `okta-relay replay --sink \(heir) --since \(since)`, or \(end)
            """
    }

    /// Of a sink that is behind for more than half of what it may; nil where it is not.
    private static func behind(
        _ sink: SinkStatus, _ policy: SinkPolicy, _ configuration: RelayConfiguration, at now: Int64
    ) -> String? {
        let holds = policy.holds(retention: configuration.journal.retention)
        let age = Duration.nanoseconds(max(0, now - (sink.oldestWaitingSince ?? now)))
        guard age > holds / 2 else { return nil }
        return """
            \(waitingText(sink)), the oldest for \(Wording.duration(age)): after \(Wording.duration(holds)) \
            they are given up
            """
    }

    private static func waitingText(_ sink: SinkStatus) -> String {
        let verb = sink.waiting == 1 ? "waits" : "wait"
        return #"\#(Wording.count(sink.waiting, "event")) \#(verb) for the sink "\#(sink.name)""#
    }

    static func log(
        _ status: JournalStatus, _ configuration: RelayConfiguration, at now: Int64, _ logger: Logger
    ) {
        for warning in find(status, configuration, at: now) {
            logger.warning(
                "\(warning.text)", metadata: ["sink": "\(warning.sink)", "waiting": "\(warning.waiting)"])
        }
    }

    /// Tells of renames that were carried out.
    static func log(_ renamed: [String: String], _ logger: Logger) {
        for (former, name) in renamed.sorted(by: { $0.key < $1.key }) {
            logger.notice(
                "a sink has another name, and takes over what waited for it",
                metadata: ["sink": "\(name)", "renamedFrom": "\(former)"])
        }
    }
}

extension RelayConfiguration {
    /// How long the journal holds what waits for each sink.
    var sinkPolicies: [SinkPolicy] {
        sinks.map { sink in
            SinkPolicy(
                name: sink.name, isEnabled: sink.isEnabled, maxBehind: sink.maxBehind,
                renamedFrom: sink.renamedFrom)
        }
    }
}
