import Config
import Foundation
import Logging

/// Keeps the process from ever having no file descriptor left.
///
/// Nobody would be heard, and no destination reached, until there were some again. So the limit is raised as
/// far as the system lets it, and the public side takes no more connections than leaves everything else its
/// share.
enum OpenFiles {
    /// What the relay has open besides connections to the public side and to destinations, and some to spare:
    /// the journal, the operator's side, files that are read now and then.
    private static let base = 160
    /// A SQL sink's files or connections.
    private static let perSink = 8
    /// With room for less the public side is of no use.
    private static let connectionsMin = 16

    /// How many connections the public side may take; warned of where that is fewer than the config says.
    ///
    /// - Throws: ``TooFew`` where the process may not have enough open for the relay to run at all.
    static func connections(for configuration: RelayConfiguration, _ logger: Logger) throws(TooFew) -> Int {
        let limit = raiseLimit()
        let wanted = configuration.server.connectionsMax
        let reserve = reserve(for: configuration)
        guard limit - reserve < wanted else { return wanted }
        guard limit - reserve >= connectionsMin else {
            throw TooFew(limit: limit, needed: reserve + connectionsMin)
        }
        logger.warning(
            """
            the limit of open files is too low for server.maxConnections, so fewer are taken; raise it \
            (LimitNOFILE= in systemd, ulimit -n)
            """,
            metadata: [
                "limit": "\(limit)", "needed": "\(wanted + reserve)", "connections": "\(limit - reserve)",
            ]
        )
        return limit - reserve
    }

    private static func reserve(for configuration: RelayConfiguration) -> Int {
        configuration.enabledSinks.reduce(base) { sum, sink in
            guard case .http(let http) = sink.kind else { return sum + perSink }
            return sum + perSink + http.concurrency
        }
    }

    /// Many systems start with 1,024, for programs that use `select`; nothing here does.
    private static func raiseLimit() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return .max }
        var raised = limit
        raised.rlim_cur = limit.rlim_max
        if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
        return Int(clamping: limit.rlim_cur)
    }

    /// The process may have too few files open.
    struct TooFew: Error, CustomStringConvertible {
        let limit: Int
        let needed: Int

        var description: String {
            """
            the limit of open files is \(limit), and this config needs at least \(needed); raise it \
            (LimitNOFILE= in systemd, ulimit -n)
            """
        }
    }
}
