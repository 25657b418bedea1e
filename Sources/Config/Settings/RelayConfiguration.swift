public import Rules

/// Everything that one config file says, checked and ready to use.
///
/// Values are plain and immutable; file paths are absolute (relative ones were resolved against the file).
public struct RelayConfiguration: Sendable {
    public var server: ServerConfiguration
    public var admin: AdminConfiguration
    public var hooks: [HookConfiguration]
    public var journal: JournalConfiguration
    /// In the file's order, disabled ones included.
    public var sinks: [SinkConfiguration]
    /// In the file's order.
    public var rules: [Rule]
    /// What `${env:…}` and `${file:…}` became, anywhere in the file: texts that nobody may be shown.
    public var replacedTexts: [Secret]

    public init(
        server: ServerConfiguration,
        admin: AdminConfiguration,
        hooks: [HookConfiguration],
        journal: JournalConfiguration,
        sinks: [SinkConfiguration],
        rules: [Rule],
        replacedTexts: [Secret] = []
    ) {
        self.server = server
        self.admin = admin
        self.hooks = hooks
        self.journal = journal
        self.sinks = sinks
        self.rules = rules
        self.replacedTexts = replacedTexts
    }
}

/// An address to listen at; port 0 lets the system choose.
public struct ListenAddress: Sendable, Equatable, CustomStringConvertible {
    public var host: String
    public var port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Whether only this machine can reach it.
    public var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }

    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// PEM files for TLS.
public struct TLSConfiguration: Sendable, Equatable {
    public var certificatePath: String
    public var keyPath: String

    public init(certificatePath: String, keyPath: String) {
        self.certificatePath = certificatePath
        self.keyPath = keyPath
    }
}

/// The public side, which Okta calls.
public struct ServerConfiguration: Sendable {
    public var listen: ListenAddress
    /// Nil means plain HTTP, behind a proxy.
    public var tls: TLSConfiguration?
    /// Addresses or CIDR blocks whose `X-Forwarded-For` is believed.
    public var trustedProxies: [String]
    /// A longer body is refused with 413.
    public var bodyBytesMax: Int
    /// How long a connection may take to send a whole request, and how long it may be idle between two.
    public var requestTimeout: Duration
    /// Connections over this are closed at once.
    public var connectionsMax: Int
    /// How long a graceful stop waits for what is in flight.
    public var shutdownTimeout: Duration

    public init(
        listen: ListenAddress,
        tls: TLSConfiguration? = nil,
        trustedProxies: [String] = [],
        bodyBytesMax: Int = Limits.bodyBytesDefault,
        requestTimeout: Duration = Limits.requestTimeoutDefault,
        connectionsMax: Int = Limits.connectionsDefault,
        shutdownTimeout: Duration = Limits.shutdownTimeoutDefault
    ) {
        self.listen = listen
        self.tls = tls
        self.trustedProxies = trustedProxies
        self.bodyBytesMax = bodyBytesMax
        self.requestTimeout = requestTimeout
        self.connectionsMax = connectionsMax
        self.shutdownTimeout = shutdownTimeout
    }
}

/// The operator's side.
public struct AdminConfiguration: Sendable {
    public var listen: ListenAddress
    public var token: Secret
    /// Required where the address is not loopback.
    public var tls: TLSConfiguration?

    public init(listen: ListenAddress, token: Secret, tls: TLSConfiguration? = nil) {
        self.listen = listen
        self.token = token
        self.tls = tls
    }
}

/// One Okta event hook.
public struct HookConfiguration: Sendable {
    public var name: String
    /// The URL path, starting with `/`.
    public var path: String
    /// The header that carries the secret; any case.
    public var header: String
    /// Any of them authenticates; compared verbatim.
    public var secrets: [Secret]
    /// The event types it accepts; nil means every well-formed name.
    public var events: [EventTypePattern]?
    /// Events are deduplicated, and users told apart, within an org.
    public var org: String
    /// Whether the verification GET needs the secret.
    public var verification: Verification

    public enum Verification: String, Sendable, CaseIterable { case authenticated, open }

    public init(
        name: String,
        path: String,
        header: String = "Authorization",
        secrets: [Secret],
        events: [EventTypePattern]? = nil,
        org: String? = nil,
        verification: Verification = .authenticated
    ) {
        self.name = name
        self.path = path
        self.header = header
        self.secrets = secrets
        self.events = events
        self.org = org ?? name
        self.verification = verification
    }
}

/// Where events are kept, and for how long.
public struct JournalConfiguration: Sendable {
    public var path: String
    /// How long events are kept, and how far back duplicates are known.
    public var retention: Duration
    /// Bytes that what the journal holds may take together.
    public var sizeMax: Int
    /// How long it is known what became of an event, after the event itself has gone.
    public var receipts: Duration
    /// Bytes that dead letters may take; the oldest lose theirs first.
    public var deadLetterBytesMax: Int
    /// The same for the quarantine.
    public var quarantineBytesMax: Int

    /// Without limits of their own, dead letters and the quarantine may take a tenth of `sizeMax` each.
    public init(
        path: String,
        retention: Duration = Limits.retentionDefault,
        sizeMax: Int = Limits.journalSizeDefault,
        receipts: Duration = Limits.receiptsDefault,
        deadLetterBytesMax: Int? = nil,
        quarantineBytesMax: Int? = nil
    ) {
        self.path = path
        self.retention = retention
        self.sizeMax = sizeMax
        self.receipts = receipts
        self.deadLetterBytesMax = deadLetterBytesMax ?? sizeMax / 10
        self.quarantineBytesMax = quarantineBytesMax ?? sizeMax / 10
    }
}
