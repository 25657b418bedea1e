import ArgumentParser
import Config
import JSON
import Relay
import Rules

/// `replay`: stored events go through today's rules to one sink again.
struct ReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Send stored events of a time range to a sink again, list such replays, cancel one.",
        discussion: """
            Without a verb it runs one; okta-relay help replay run has its options.

            Example:
              okta-relay replay --sink crm --since 7d --dry-run
              okta-relay replay --sink crm --since 2026-11-01 --until 2026-11-03 --rule staff
              okta-relay replay list
              okta-relay replay cancel replay-2026-11-23T08:15:00.000Z
            """,
        subcommands: [Run.self, List.self, Cancel.self],
        defaultSubcommand: Run.self
    )
}

extension ReplayCommand {
    /// `replay run`, and `replay` alone.
    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send stored events of a time range to a sink again, by today's rules.",
            discussion: """
                Events that today's rules send to the sink are appended to the log's end as deliveries of \
                their own; the idempotency keys carry the replay's id, so a destination takes them for new. \
                The journal keeps how far it is: a replay that a crash or Ctrl-C cuts short goes on by \
                itself when the relay runs, and nothing comes twice.

                With --dry-run it counts. With --render every request or row is written to a file as JSON \
                lines (- is standard output), by the config file, with secrets as ***; nothing is sent. The \
                file holds user data.

                Example:
                  okta-relay replay --sink crm --since 7d --dry-run
                  okta-relay replay --sink crm --since 2026-11-01 --until 2026-11-03 --rule staff
                  okta-relay replay --sink crm --since 1d --render requests.jsonl
                """
        )

        @OptionGroup var file: ConfigOption
        @OptionGroup var output: OutputOption
        @OptionGroup var time: TimeOption

        @Option(help: ArgumentHelp("Where they go.", valueName: "name"))
        var sink: String

        @Option(help: ArgumentHelp("Only those that this rule sends there today.", valueName: "name"))
        var rule: String?

        @Option(
            help: ArgumentHelp("Only this event type; * stands for any run of characters.", valueName: "type")
        )
        var type: String?

        @Option(help: ArgumentHelp("Only this user's, by the id at Okta.", valueName: "id"))
        var user: String?

        @Flag(help: "Change nothing, and count what would be sent.")
        var dryRun = false

        @Option(help: ArgumentHelp("Send nothing, and write what would be to this file.", valueName: "file"))
        var render: String?

        func validate() throws {
            guard time.since != nil else {
                throw ValidationError("--since says how far back; \(PointInTime.advice)")
            }
            guard render == nil || !dryRun else {
                throw ValidationError("--render sends nothing and counts as well; leave --dry-run out")
            }
            guard render != "-" || !output.json else {
                throw ValidationError("--render - is JSON lines by itself; leave --json out")
            }
            try refuseEmpty([
                ("--sink", sink), ("--rule", rule), ("--type", type), ("--user", user), ("--render", render),
            ])
        }

        func run() async throws {
            let configuration = try ConfigurationFile.load(file.config)
            if let render { return try await self.render(to: render, configuration) }
            try await OperatorLink.open(configuration) { link in
                if dryRun { try await count(link) } else { try await replay(link) }
            }
        }

        private func write(to body: inout JSONWriter, now: Int64) {
            body.member("sink", sink)
            for (name, value) in [("rule", rule), ("type", type), ("user", user)] where value != nil {
                body.member(name, value)
            }
            time.write(to: &body, now: now)
        }

        // MARK: - Sending

        private func replay(_ link: OperatorLink) async throws {
            let now = SystemClock().now
            var replay = try await link.post("/replays") { write(to: &$0, now: now) }
            let id = replay["id"]?.string ?? ""
            var bar = ProgressBar("replaying")
            var told: Replay.Need?
            while replay["endedAt"]?.isNull == true {
                bar.show(replay["share"]?.double ?? 0)
                try await link.advanceReplays()
                replay = try await link.get("/replays/\(id.percentEncoded)")
                let need = replay["waitsFor"]?.string.flatMap { Replay.Need(rawValue: $0) }
                if let need, need != told { Terminal.note("\(id) waits: \(need.text)") }
                told = need ?? told
            }
            bar.finish()
            let isCancelled = replay["isCancelled"]?.bool == true
            guard !output.json else {
                Terminal.write(replay.raw)
                if isCancelled { throw ExitStatus.problems.code }
                return
            }
            let events = Wording.count(replay["appended"]?.int ?? 0, "event")
            Terminal.write("\(events) go to \(sink) again, as \(id)")
            if replay["isWhole"]?.bool == false { Terminal.write(ReplayCount.isCut) }
            if isCancelled {
                throw Terminal.failure("it was cancelled before it had looked at all", .problems)
            }
        }

        // MARK: - Counting

        private func count(_ link: OperatorLink) async throws {
            let now = SystemClock().now
            var count = ReplayCount()
            var bar = ProgressBar("counting")
            var last: JSONValue?
            repeat {
                let step = try await link.post("/replays") { body in
                    write(to: &body, now: now)
                    body.member("dryRun", true)
                    for name in ["after", "first", "last"] {
                        if let offset = last?[name]?.int { body.member(name, offset) }
                    }
                }
                count.add(step)
                last = step["after"]?.int == nil ? nil : step
                bar.show(step["share"]?.double ?? 0)
            } while last != nil
            bar.finish()
            if output.json { Terminal.write(count.json) } else { Terminal.write(count.text(sink: sink)) }
        }

        // MARK: - Rendering

        private func render(to path: String, _ configuration: RelayConfiguration) async throws {
            let now = SystemClock().now
            let order = ReplayOrder(
                sink: sink,
                filter: ReplayFilter(rule: rule, eventType: type.map { EventTypePattern($0) }, user: user),
                since: time.since?.nanoseconds(now: now) ?? 0, until: time.until?.nanoseconds(now: now))
            do throws(OperatorProblem) {
                try configuration.operatorSettings.check(order)
            } catch {
                throw Terminal.failure(error.text, .problems)
            }
            let rendered = try await ReplayRendering(configuration).render(order, to: path)
            if output.json {
                var writer = JSONWriter()
                writer.object { object in
                    object.member("file", path)
                    object.member("events", rendered.lines)
                    object.member("isWhole", rendered.isWhole)
                }
                return Terminal.write(writer.bytes)
            }
            let events = Wording.count(rendered.lines, "event")
            // What is rendered to standard output has it for itself.
            let write = path == "-" ? Terminal.note : { Terminal.write($0) }
            write("\(events) would go to \(sink)" + (path == "-" ? "" : "; \(path) has what it would get"))
            if !rendered.isWhole { write(ReplayCount.isCut) }
        }
    }
}

/// What a replay would send.
struct ReplayCount: Equatable {
    private(set) var lookedAt = 0
    private(set) var matching = 0
    /// Whether all entries of the time are kept.
    private(set) var isWhole = true
    /// By the rule that names the sink.
    private(set) var rules: [String: Int] = [:]

    /// That the journal may have had more of the time than it has.
    static let isCut = "not all entries of that time are kept any more: some events may be missing"

    mutating func add(_ step: JSONValue) {
        lookedAt += step["lookedAt"]?.int ?? 0
        matching += step["matching"]?.int ?? 0
        if step["isWhole"]?.bool == false { isWhole = false }
        for (name, count) in step["rules"]?.members.map({ $0 }) ?? [] {
            rules[name.string ?? "", default: 0] += count.int ?? 0
        }
    }

    func text(sink: String) -> String {
        var lines = [
            "would go to \(sink): \(Wording.count(matching, "event")) of \(lookedAt) in that time"
        ]
        for (rule, count) in rules.sorted(by: { $0.key < $1.key }) {
            lines.append("  by rule \(TextTable.printable(rule)): \(count)")
        }
        if !isWhole { lines.append(Self.isCut) }
        return lines.joined(separator: "\n")
    }

    var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { object in
            object.member("dryRun", true)
            object.member("lookedAt", lookedAt)
            object.member("matching", matching)
            object.member("isWhole", isWhole)
            object.name("rules")
            object.object { object in
                for (rule, count) in rules.sorted(by: { $0.key < $1.key }) { object.member(rule, count) }
            }
        }
        return writer.bytes
    }
}
