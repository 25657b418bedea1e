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
        let heirs = Set(configuration.sinks.compactMap(\.renamedFrom))
        let policies = Dictionary(configuration.sinkPolicies.map { ($0.name, $0) }) { first, _ in first }
        return status.sinks.filter { $0.waiting > 0 }.compactMap { sink in
            let retention = configuration.journal.retention
            let count = Wording.count(sink.waiting, "event")
            guard let policy = policies[sink.name] else {
                guard !heirs.contains(sink.name) else { return nil }
                return SinkWarnings(
                    sink: sink.name, waiting: sink.waiting,
                    text: """
                        \(count) wait for the sink "\(sink.name)", which is not in the config: put it back, name \
                        it as "renamedFrom" of the sink that takes over, or give them up with `okta-relay \
                        sinks drop \(sink.name) --force`; what has waited for \(Wording.duration(retention)) is \
                        given up by itself
                        """)
            }
            let holds = policy.holds(retention: retention)
            let age = Duration.nanoseconds(max(0, now - (sink.oldestWaitingReceivedAt ?? now)))
            guard age > holds / 2 else { return nil }
            return SinkWarnings(
                sink: sink.name, waiting: sink.waiting,
                text: """
                    \(count) wait for the sink "\(sink.name)", the oldest for \(Wording.duration(age)): after \
                    \(Wording.duration(holds)) they are given up
                    """)
        }
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
