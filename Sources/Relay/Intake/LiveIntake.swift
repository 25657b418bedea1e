public import Config
public import Rules
import Synchronization

/// What the public side goes by at one time: hooks, rules and limits, as one config file says them.
///
/// Immutable: a request takes it once and keeps it to its end, so it never sees half of a reload. An object,
/// like its hooks, because each request would otherwise copy all of its tables' references.
public final class IntakeSettings: Sendable {
    /// By path.
    let hooks: [String: IntakeHook]
    let rules: RuleTable
    let bodyBytesMax: Int
    let proxies: TrustedProxies
    private let term = Term()

    /// Resolved when nobody goes by these settings any more.
    var isOver: OneShot<Void> { term.isOver }

    /// - Parameter rules: The table of the rules, without the sinks that are disabled.
    public init(server: ServerConfiguration, hooks: [HookConfiguration], rules: RuleTable) {
        self.hooks = Dictionary(hooks.map { ($0.path, IntakeHook($0)) }) { first, _ in first }
        self.rules = rules
        bodyBytesMax = server.bodyBytesMax
        proxies = TrustedProxies(server.trustedProxies)
    }
}

/// Lives as long as the last copy of the settings it belongs to.
private final class Term: Sendable {
    let isOver = OneShot<Void>()

    deinit { isOver.resolve(()) }
}

/// One hook, ready to authenticate and decode.
final class IntakeHook: Sendable {
    let configuration: HookConfiguration
    let authenticator: HookAuthenticator
    let decoder: EnvelopeDecoder

    init(_ configuration: HookConfiguration) {
        self.configuration = configuration
        authenticator = HookAuthenticator(configuration)
        decoder = EnvelopeDecoder(configuration)
    }
}

/// The settings that are in force: a reload swaps them whole while requests go on with those they took.
///
/// May be used from any thread.
public final class LiveIntake: Sendable {
    private let settings: Mutex<IntakeSettings>

    public init(_ settings: IntakeSettings) { self.settings = Mutex(settings) }

    /// The settings in force now.
    var current: IntakeSettings { settings.withLock { $0 } }

    /// Puts other settings in force, for every request that comes from now on.
    ///
    /// - Returns: Waits until the last request that took the former ones has been answered.
    @discardableResult
    public func swap(_ next: IntakeSettings) -> @Sendable () async -> Void {
        let isOver = settings.withLock { settings in
            defer { settings = next }
            return settings.isOver
        }
        return { await isOver.value }
    }
}
