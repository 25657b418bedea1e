public import ArgumentParser
public import Config
import JSON
public import Relay
import Rules

extension PointInTime: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}

extension Replay.State: ExpressibleByArgument {}

extension SettledOutcome: ExpressibleByArgument {}

/// An empty text, of a variable that a script has not set, say, would fit everything, or nothing.
func refuseEmpty(_ options: [(name: String, value: String?)]) throws {
    guard let empty = options.first(where: { $0.value?.isEmpty == true }) else { return }
    throw ValidationError("\(empty.name) is empty; leave it out, or give it a value")
}

/// `--since` and `--until`.
struct TimeOption: ParsableArguments {
    @Option(
        help: ArgumentHelp("Only since then: an age (7d), a day or a time.", valueName: "time"))
    var since: PointInTime?

    @Option(help: ArgumentHelp("Only before then: an age (1h), a day or a time.", valueName: "time"))
    var until: PointInTime?

    func validate() throws {
        let now = SystemClock().now
        guard let since = since?.nanoseconds(now: now), let until = until?.nanoseconds(now: now) else {
            return
        }
        guard since < until else {
            throw ValidationError(
                "--since \(Wording.time(since)) is not before --until \(Wording.time(until)):"
                    + " no time lies between them")
        }
    }

    /// Ages are counted from one moment, however many steps a command takes.
    func write(to body: inout JSONWriter, now: Int64) {
        if let since { body.member("since", Timestamp.exactText(since.nanoseconds(now: now))) }
        if let until { body.member("until", Timestamp.exactText(until.nanoseconds(now: now))) }
    }
}

/// Which dead letters a command is about.
struct DeadLetterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Only this sink's.", valueName: "name"))
    var sink: String?

    @Option(help: ArgumentHelp("Only those that this rule sent.", valueName: "name"))
    var rule: String?

    @Option(
        help: ArgumentHelp("Only this event type; * stands for any run of characters.", valueName: "type"))
    var type: String?

    @Option(help: ArgumentHelp("Only this user's, by the id at Okta.", valueName: "id"))
    var user: String?

    @Option(help: ArgumentHelp("Only those whose last error has this in it.", valueName: "text"))
    var error: String?

    @OptionGroup var time: TimeOption

    private var texts: [(name: String, value: String?)] {
        [("sink", sink), ("rule", rule), ("type", type), ("user", user), ("error", error)]
    }

    func validate() throws { try refuseEmpty(texts.map { ("--\($0.name)", $0.value) }) }

    /// Whether nothing is left out.
    var isEmpty: Bool {
        sink == nil && rule == nil && type == nil && user == nil && error == nil && time.since == nil
            && time.until == nil
    }

    func filter(ids: [Int64]? = nil, now: Int64) -> DeadLetterFilter {
        DeadLetterFilter(
            ids: ids, sink: sink, rule: rule, eventType: type.map { EventTypePattern($0) }, user: user,
            error: error, since: time.since?.nanoseconds(now: now), until: time.until?.nanoseconds(now: now))
    }

    func write(to body: inout JSONWriter, now: Int64) {
        for (name, value) in texts where value != nil { body.member(name, value) }
        time.write(to: &body, now: now)
    }
}

/// Which quarantined inputs a command is about.
struct QuarantineOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Only this hook's.", valueName: "name"))
    var hook: String?

    @Option(help: ArgumentHelp("Only those whose reason has this in it.", valueName: "text"))
    var reason: String?

    @Option(
        help: ArgumentHelp(
            "Only those whose bytes have this event type; * stands for any run of characters.",
            valueName: "type"))
    var type: String?

    @Option(
        help: ArgumentHelp("Only those whose bytes are about this user, by the id at Okta.", valueName: "id"))
    var user: String?

    @OptionGroup var time: TimeOption

    private var texts: [(name: String, value: String?)] {
        [("hook", hook), ("reason", reason), ("type", type), ("user", user)]
    }

    func validate() throws { try refuseEmpty(texts.map { ("--\($0.name)", $0.value) }) }

    /// Whether nothing is left out.
    var isEmpty: Bool {
        hook == nil && reason == nil && type == nil && user == nil && time.since == nil && time.until == nil
    }

    func filter(now: Int64) -> QuarantineFilter {
        QuarantineFilter(
            hook: hook, reason: reason, eventType: type.map { EventTypePattern($0) }, user: user,
            since: time.since?.nanoseconds(now: now), until: time.until?.nanoseconds(now: now))
    }

    func write(to body: inout JSONWriter, now: Int64) {
        for (name, value) in texts where value != nil { body.member(name, value) }
        time.write(to: &body, now: now)
    }
}

/// Which records of a list a command changes: those with these ids, those that a filter names, or all.
struct SelectionOptions: ParsableArguments {
    @Flag(help: "All of them.")
    var all = false

    @Flag(help: "Change nothing, and count what would be.")
    var dryRun = false

    @Argument(help: ArgumentHelp("Ids, from the list.", valueName: "id"))
    var ids: [Int64] = []

    /// - Parameter isFiltered: Whether a filter leaves some out.
    func check(isFiltered: Bool) throws {
        guard all || !ids.isEmpty || isFiltered else {
            throw ValidationError("name ids, a filter, or --all")
        }
        guard !all || (ids.isEmpty && !isFiltered) else {
            throw ValidationError("--all goes without ids and filters")
        }
        guard ids.count <= OperationStep.recordsMax else {
            throw ValidationError("\(OperationStep.recordsMax) ids at most; use a filter")
        }
    }

    func write(to body: inout JSONWriter) {
        guard !ids.isEmpty else { return }
        body.name("ids")
        body.array { list in
            for id in ids { list.integer(id) }
        }
    }

    /// Tells what became of them; exit code 1 where some stay as they are, or are not there.
    func report(_ summary: OperationSummary, asJSON: Bool) throws {
        if asJSON { Terminal.write(summary.json) } else { Terminal.write(summary.text) }
        let found = summary.total.done + summary.total.keptCount
        if found < Set(ids).count {
            Terminal.note(
                "\(Set(ids).count - found) of these ids are not there, or the filter leaves them out")
        }
        if found < Set(ids).count || summary.total.keptCount > 0 { throw ExitStatus.problems.code }
    }
}
