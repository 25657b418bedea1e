import ArgumentParser
import Config
import JSON
import Relay

/// `sinks`: where each stands, and what an operator does to it.
struct SinksCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sinks",
        abstract: "List, pause, resume, move and drop sinks, and list what was given up.",
        discussion: """
            What changes something goes through the relay that runs on the config; where none runs, it \
            changes the journal itself, and the next start finds it so.

            Example:
              okta-relay sinks list
              okta-relay sinks pause crm --reason "migration until Monday"
              okta-relay sinks seek crm --to 2026-11-01 --dry-run
              okta-relay sinks given-up crm
            """,
        subcommands: [List.self, GivenUp.self, Pause.self, Resume.self, Seek.self, Drop.self],
        defaultSubcommand: List.self
    )

    /// What all verbs for one sink take.
    struct Target: ParsableArguments {
        @OptionGroup var file: ConfigOption
        @OptionGroup var output: OutputOption

        @Argument(help: ArgumentHelp("The sink.", valueName: "name"))
        var name: String

        func validate() throws { try refuseEmpty([("the sink's name", name)]) }

        /// Asks for something to be done, and tells what came of it.
        ///
        /// - Parameter work: What takes long of it, for who waits.
        func change(
            _ verb: String, saying work: String, _ parameters: (inout JSONWriter) -> Void = { _ in },
            text: (JSONValue) -> String
        ) async throws {
            let answer = try await OperatorLink.open(ConfigurationFile.load(file.config)) { link in
                var bar = ProgressBar(verb)
                defer { bar.finish() }
                bar.show(work)
                return try await link.post("/sinks/\(name.percentEncoded)/\(verb)", parameters)
            }
            guard !output.json else { return Terminal.write(answer.raw) }
            Terminal.write(text(answer))
            if answer["isFinishing"]?.bool == true {
                Terminal.write("what was in flight is not finished yet; it goes on as told when it is")
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the sinks that the journal knows, and what holds them.",
            discussion: """
                It reads the journal, whether or not a relay runs.

                Example:
                  okta-relay sinks list --json
                """
        )

        @OptionGroup var file: ConfigOption
        @OptionGroup var output: OutputOption

        func run() async throws {
            let configuration = try ConfigurationFile.load(file.config)
            let status = try await Journals.ask(configuration) { journal throws(JournalError) in
                try await journal.status()
            }
            let report = SinkList(
                sinks: status.sinks, configured: configuration.sinks, now: SystemClock().now)
            if output.json { Terminal.write(report.json) } else { Terminal.write(report.table) }
        }
    }

    struct Pause: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Deliver nothing to a sink until it is resumed; its events wait.",
            discussion: """
                What is in flight is finished first. It stays paused over restarts and reloads. --dry-run \
                counts what waits for it now.

                Example:
                  okta-relay sinks pause crm --dry-run
                  okta-relay sinks pause crm --reason "migration until Monday"
                """
        )

        @OptionGroup var target: Target

        @Option(help: ArgumentHelp("Why, for whoever sees it paused; no secrets.", valueName: "text"))
        var reason: String?

        @Flag(help: "Change nothing, and count what waits.")
        var dryRun = false

        func validate() throws { try refuseEmpty([("--reason", reason)]) }

        func run() async throws {
            let work = dryRun ? "counting what waits" : "finishing what is in flight"
            try await target.change("pause", saying: work) { body in
                if let reason { body.member("reason", reason) }
                if dryRun { body.member("dryRun", true) }
            } text: { answer in
                if dryRun { return WaitingText(pausing: target.name, answer).text }
                return "\(target.name) is paused; resume it with: okta-relay sinks resume \(target.name)"
            }
        }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let a sink that is paused or tripped go on.",
            discussion: """
                Look first at what waits for it, with --dry-run, which counts it by what it does to users. \
                Where its limits have tripped it, that passes now whatever they are, and what comes later is \
                counted again; where a person has paused it, its limits count what waited, too.

                Example:
                  okta-relay sinks resume crm --dry-run
                  okta-relay sinks resume crm
                """
        )

        @OptionGroup var target: Target

        @Flag(help: "Change nothing, and count what waits.")
        var dryRun = false

        func run() async throws {
            let work = dryRun ? "counting what waits" : "letting it go on"
            try await target.change("resume", saying: work) { body in
                if dryRun { body.member("dryRun", true) }
            } text: { answer in
                if dryRun { return WaitingText(resuming: target.name, answer).text }
                return ResumeText(target.name, answer).text
            }
        }
    }

    struct Seek: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Move a sink's place in the log.",
            discussion: """
                Forward, what it passes is given up: counted, and listed by sinks given-up. Backward, what \
                is still kept comes again, with the idempotency keys it had: a destination that knows them \
                may ignore it. To send events anew, replay is better. --dry-run counts both.

                Example:
                  okta-relay sinks seek chat --to end --dry-run
                  okta-relay sinks seek chat --to end --reason "old news"
                  okta-relay sinks seek audit --to 2026-11-01T08:00:00Z
                """
        )

        @OptionGroup var target: Target

        @Option(
            help: ArgumentHelp(
                "Behind this offset, at this time (7d, 2026-11-01), or the end.", valueName: "place"))
        var to: String

        @Option(help: ArgumentHelp("Why, for the list of what was given up.", valueName: "text"))
        var reason: String?

        @Flag(help: "Change nothing, and count what would be given up, or would come again.")
        var dryRun = false

        func validate() throws {
            try refuseEmpty([("--reason", reason)])
            guard to == "end" || Int64(to).map({ $0 >= 0 }) ?? false || PointInTime(to) != nil else {
                throw ValidationError(
                    "--to is an offset, \"end\" or a point in time; for that \(PointInTime.advice)")
            }
        }

        func run() async throws {
            try await target.change("seek", saying: "counting what lies in between") { body in
                body.member("to", to)
                if let reason { body.member("reason", reason) }
                if dryRun { body.member("dryRun", true) }
            } text: { answer in
                let place = "\(answer["from"]?.int ?? 0) to \(answer["to"]?.int ?? 0)"
                let (givenUp, repeated) = (answer["givenUp"]?.int ?? 0, answer["repeated"]?.int ?? 0)
                let effect =
                    repeated > 0
                    ? "\(Wording.count(repeated, "event")) come again"
                    : "\(Wording.count(givenUp, "event")) given up"
                return "\(target.name) \(dryRun ? "would move" : "moved") from \(place): \(effect)"
            }
        }
    }

    struct Drop: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Have the journal forget a sink that is not configured any more.",
            discussion: """
                Where events still wait for it, or dead letters are left, it needs --force: they are lost, \
                and --dry-run counts them. A sink that only changed its name takes them over, with \
                renamedFrom in the config.

                Example:
                  okta-relay sinks drop old-crm --dry-run
                  okta-relay sinks drop old-crm --force
                """
        )

        @OptionGroup var target: Target

        @Flag(help: "Also where something waits, or dead letters are left.")
        var force = false

        @Flag(help: "Change nothing, and count what would be lost.")
        var dryRun = false

        func run() async throws {
            let configuration = try ConfigurationFile.load(target.file.config)
            let answer = try await OperatorLink.open(configuration) { try await drop($0) }
            guard !target.output.json else { return Terminal.write(answer.raw) }
            let givenUp = Wording.count(answer["givenUp"]?.int ?? 0, "event")
            let letters = Wording.count(answer["deadLetters"]?.int ?? 0, "dead letter")
            let verb = dryRun ? "would be" : "is"
            Terminal.write("\(target.name) \(verb) dropped, with \(givenUp) that waited and \(letters)")
        }

        /// Call after call, because there may be much; the last answer counts all of it.
        private func drop(_ link: OperatorLink) async throws -> JSONValue {
            var bar = ProgressBar("dropping")
            defer { bar.finish() }
            if dryRun { bar.show("counting what would be lost") }
            var next: JSONValue?
            var all = 1
            while true {
                let answer = try await link.post("/sinks/\(target.name.percentEncoded)/drop") { body in
                    if dryRun { body.member("dryRun", true) } else { body.member("force", force) }
                    for (name, value) in next?.members.map({ $0 }) ?? [] {
                        body.member(name.string ?? "", raw: value.raw)
                    }
                }
                next = answer["next"].flatMap { $0.isNull ? nil : $0 }
                guard let remaining = next?["remaining"]?.int else { return answer }
                all = max(all, remaining)
                bar.show(1 - Double(remaining) / Double(all))
            }
        }
    }
}

/// The sinks that a journal knows.
struct SinkList {
    let sinks: [SinkStatus]
    let configured: [SinkConfiguration]
    /// Nanoseconds since 1970.
    let now: Int64

    var table: TextTable {
        var table = TextTable([
            .left("SINK"), .left("CONFIG"), .right("CURSOR"), .right("WAITING"), .right("OLDEST"),
            .right("PARKED"), .left("HOLD"),
        ])
        for sink in sinks {
            table.add(
                sink.name, inConfig(sink.name), String(sink.cursor.rawValue), String(sink.waiting),
                sink.oldestWaitingSince.map { Wording.duration(.nanoseconds(max(0, now - $0))) } ?? "-",
                String(sink.parked),
                sink.hold.map { "\($0.kind.rawValue) since \(Wording.time($0.since)): \($0.reason)" } ?? "-")
        }
        return table
    }

    var json: [UInt8] {
        var writer = JSONWriter()
        AdminJSON.write(sinks: sinks, live: [:], now: now, to: &writer)
        return writer.bytes
    }

    private func inConfig(_ name: String) -> String {
        switch configured.first(where: { $0.name == name })?.isEnabled {
        case true?: "enabled"
        case false?: "disabled"
        case nil: "removed"
        }
    }
}
