/// Every metric of the relay: its name is a contract, kept in `docs/METRICS.md`.
enum MetricFamily: String, CaseIterable {
    case buildInfo = "okta_relay_build_info"
    case startTime = "okta_relay_process_start_time_seconds"
    case ready = "okta_relay_ready"
    case requests = "okta_relay_requests_total"
    case refusedConnections = "okta_relay_connections_refused_total"
    case secretLastUsed = "okta_relay_secret_last_used_timestamp_seconds"
    case accepted = "okta_relay_events_accepted_total"
    case duplicates = "okta_relay_events_duplicate_total"
    case quarantined = "okta_relay_events_quarantined_total"
    case unrouted = "okta_relay_events_unrouted_total"
    case appendDuration = "okta_relay_append_duration_seconds"
    case appendFailures = "okta_relay_append_failures_total"
    case journalSize = "okta_relay_journal_size_bytes"
    case journalUsed = "okta_relay_journal_used_bytes"
    case journalMax = "okta_relay_journal_max_bytes"
    case expired = "okta_relay_journal_expired_total"
    case settled = "okta_relay_sink_settled_total"
    case retried = "okta_relay_sink_retries_total"
    case dead = "okta_relay_sink_dead_letters_total"
    case waiting = "okta_relay_sink_waiting_entries"
    case parked = "okta_relay_sink_parked_entries"
    case oldestWaiting = "okta_relay_sink_oldest_waiting_seconds"
    case detached = "okta_relay_sink_detached_entries"
    case breaker = "okta_relay_sink_breaker_state"

    /// The type in Prometheus' text format.
    enum Kind: String { case counter, gauge, histogram }

    var kind: Kind {
        switch self {
        case .appendDuration: .histogram
        case .buildInfo, .startTime, .ready, .secretLastUsed, .journalSize, .journalUsed, .journalMax,
            .waiting, .parked,
            .oldestWaiting, .detached, .breaker:
            .gauge
        case .requests, .refusedConnections, .accepted, .duplicates, .quarantined, .unrouted,
            .appendFailures, .expired, .settled, .retried, .dead:
            .counter
        }
    }

    var help: String {
        switch self {
        case .buildInfo: "Always 1; the version is a label."
        case .startTime: "When this process started, in seconds since 1970."
        case .ready: "1 while the intake can commit, as /readyz says."
        case .requests: "Requests at the public listener; hook is empty where no hook has the path."
        case .refusedConnections: "Connections closed at once because of server.maxConnections."
        case .secretLastUsed: "When each of a hook's secrets was used last, in seconds since 1970."
        case .accepted: "Events committed to the journal, unrouted ones included."
        case .duplicates: "Events that were in the journal already."
        case .quarantined: "Inputs that could not be accepted as events and were kept with a reason."
        case .unrouted: "Events committed to the journal that no rule matched."
        case .appendDuration: "From handing a request's events to the journal until they were durable."
        case .appendFailures: "Requests whose events the journal could not commit."
        case .journalSize: "Size of the journal's files."
        case .journalUsed: "Bytes of what the journal holds: what counts against journal.maxSize."
        case .journalMax: "journal.maxSize."
        case .expired: "What the journal no longer has: events, and those of dead letters and quarantine."
        case .settled: "Deliveries that ended well, since this process started."
        case .retried: "Attempts that failed and are tried again, since this process started."
        case .dead: "Deliveries given up on, since this process started."
        case .waiting: "Entries routed to the sink that are not settled, parked ones included."
        case .parked: "Deliveries that wait for another attempt."
        case .oldestWaiting: "Age of the oldest entry that is not settled; 0 where none waits."
        case .detached: "Entries given up because the sink stayed behind for too long, or a person said so."
        case .breaker: "1 for the state that the sink is in, 0 for the others."
        }
    }
}
