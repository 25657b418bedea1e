public import Config
import JSON
public import Rules

/// What an operator's verbs go by at one time, as one config file says it.
public struct OperatorSettings: Sendable {
    /// By the hooks' names.
    let decoders: [String: EnvelopeDecoder]
    private let orgs: Set<String>
    let rules: RuleTable
    /// Whether it is enabled, by the sink's name.
    let sinks: [String: Bool]
    /// Where those begin whose config says so, by the sink's name.
    let starts: [String: PointInTime]

    /// - Parameter rules: The table of the rules, without the sinks that are disabled.
    public init(hooks: [HookConfiguration], rules: RuleTable, sinks: [SinkConfiguration]) {
        decoders = Dictionary(hooks.map { ($0.name, EnvelopeDecoder($0)) }) { first, _ in first }
        orgs = Set(hooks.map(\.org))
        self.rules = rules
        self.sinks = Dictionary(sinks.map { ($0.name, $0.isEnabled) }) { first, _ in first }
        starts = Dictionary(sinks.compactMap { sink in sink.from.map { (sink.name, $0) } }) { first, _ in
            first
        }
    }

    /// The sinks that are delivered to.
    var delivered: Set<String> { Set(sinks.filter(\.value).keys) }

    // MARK: - Names

    /// Refuses names that neither the config nor any record has: such a one is a slip of the pen, and not an
    /// empty list.
    ///
    /// - Parameter names: Nil is none, and fine.
    public func know(
        _ names: KeyValuePairs<NamedKind, String?>, in journal: any Operator.Inspection
    ) async throws {
        for case (let kind, let name?) in names { try await know(kind, name, in: journal) }
    }

    private func know(
        _ kind: NamedKind, _ name: String, in journal: any Operator.Inspection
    ) async throws {
        let configured = names(of: kind)
        guard !configured.contains(name) else { return }
        let all = configured.union(try await journal.names(of: kind))
        guard !all.contains(name) else { return }
        let others = all.isEmpty ? "none" : all.sorted().joined(separator: ", ")
        throw OperatorProblem.notFound("there is no \(kind.rawValue) \(name); there are \(others)")
    }

    private func names(of kind: NamedKind) -> Set<String> {
        switch kind {
        case .sink: Set(sinks.keys)
        case .rule: Set(rules.rules.map(\.name))
        case .hook: Set(decoders.keys)
        case .org: orgs
        }
    }

    // MARK: - Quarantine

    /// What today's decoder and rules make of a quarantined input.
    ///
    /// Its bytes are one element of an envelope, or a whole body that was none. What is accepted comes in
    /// now: as old as the record it might be given up at once.
    func judge(_ record: QuarantineRecord, at now: Int64) -> Judgement {
        guard let decoder = decoders[record.hook] else {
            return .unusable(reason: "its hook is not configured")
        }
        do {
            let decoded = try decoder.decode(quarantined: record.bytes ?? [], receivedAt: now)
            guard !decoded.events.isEmpty else {
                return .unusable(reason: decoded.quarantined.first?.reason ?? "no events")
            }
            let events = decoded.events.map { event in
                Submission.RoutedEvent(
                    event: event, route: rules.route(event.routingFacts, event: event.body.root))
            }
            let rest = decoded.quarantined.map { input in
                QuarantinedInput(
                    hook: input.hook, reason: input.reason, bytes: input.bytes, receivedAt: record.receivedAt)
            }
            return .accepted(Submission(events: events, quarantined: rest))
        } catch {
            return .unusable(reason: error.reason)
        }
    }

    // MARK: - Replay

    /// Refuses a replay that could send nothing.
    public func check(_ order: ReplayOrder) throws(OperatorProblem) {
        guard let isEnabled = sinks[order.sink] else {
            let names = sinks.keys.sorted().joined(separator: ", ")
            throw .notFound("there is no sink \(order.sink); the config has \(names)")
        }
        guard isEnabled else { throw .refused("\(order.sink) is disabled; enable it before a replay") }
        let names = rules.rules.filter { $0.sinks.contains(order.sink) }.map(\.name)
        if let rule = order.filter.rule, !names.contains(rule) {
            throw .notFound(
                "no rule \(rule) names \(order.sink); these do: \(names.joined(separator: ", "))")
        }
    }

    /// What of some stored events a replay sends to its sink.
    public func step(_ replay: Replay, through page: StoredEventPage) -> ReplayStep {
        let request = replay.request
        let isLast = page.end >= min(replay.last, page.horizon)
        var step = ReplayStep(
            isWhole: page.isWhole, end: isLast ? replay.last : page.end, isLast: isLast)
        let until = request.until ?? .max
        for stored in page.events where stored.receivedAt < until {
            step.lookedAt += 1
            guard let body = stored.body, let event = stored.event(body) else {
                step.isWhole = false
                continue
            }
            guard request.filter.accepts(event), !request.filter.leavesOut(stored, for: request.sink) else {
                continue
            }
            let route = rules.route(event.routingFacts, event: event.body.root)
            guard let choice = route.choices.first(where: { $0.sink == request.sink }),
                request.filter.rule.map({ $0 == choice.rule }) ?? true
            else { continue }
            step.events.append(
                Submission.RoutedEvent(event: event, route: Route(choices: [choice]), replay: replay.id))
        }
        return step
    }
}

extension EnvelopeDecoder {
    /// Decodes what was quarantined before: an element by itself, a whole body, or an event that somebody
    /// sent without its envelope.
    func decode(quarantined bytes: [UInt8], receivedAt: Int64) throws(NotAnEnvelope) -> DecodedEnvelope {
        do throws(NotAnEnvelope) {
            return try decode(bytes, receivedAt: receivedAt)
        } catch {
            switch error {
            case .empty, .notJSON, .tooManyElements: throw error
            case .notAnObject, .noEvents, .bareEvent: break
            }
        }
        let envelope = Array(#"{"data":{"events":["#.utf8) + bytes + Array("]}}".utf8)
        return try decode(envelope, receivedAt: receivedAt)
    }
}

extension StoredEvent {
    /// The event that these bytes are; nil where they cannot be read.
    fileprivate func event(_ body: [UInt8]) -> Event? {
        guard let document = try? JSONDocument(body) else { return nil }
        return try? Event(body: document, hook: hook, org: org, receivedAt: receivedAt)
    }
}
