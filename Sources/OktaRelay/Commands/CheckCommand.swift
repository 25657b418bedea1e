import ArgumentParser
import Config
import JSON
import Relay

/// `check`: reports every mistake of a config file at once.
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Report every mistake in the config file, each with its line.",
        discussion: """
            It also lists the event types to subscribe each hook to in Okta, for the rules as they are. \
            With --connect it tries to reach each sink that is enabled, without delivering anything. \
            Exit code 1 when there is an error or an unreachable sink; warnings alone leave it at 0.

            Example:
              okta-relay check --config sinks.json --connect
            """
    )

    @OptionGroup var file: ConfigOption
    @OptionGroup var output: OutputOption

    @Flag(help: "Also try to reach each enabled sink.")
    var connect = false

    func run() async throws {
        let outcome = ConfigLoader().load(path: file.config)
        var unreachable: [Unreachable] = []
        let waiting = await Self.waiting(outcome.configuration)
        let disk = outcome.configuration.flatMap { DiskWarning.find($0.journal) }
        if connect, let configuration = outcome.configuration {
            unreachable = await self.unreachable(configuration)
        }
        if output.json {
            Terminal.write(Self.json(outcome, waiting, disk, unreachable))
        } else {
            write(outcome, waiting, disk, unreachable)
        }
        if outcome.configuration == nil || !unreachable.isEmpty { throw ExitStatus.problems.code }
    }

    private func write(
        _ outcome: ConfigLoader.Outcome, _ waiting: [SinkWarnings], _ disk: String?,
        _ unreachable: [Unreachable]
    ) {
        for issue in outcome.issues { Terminal.write(issue.description) }
        for warning in waiting { Terminal.write("journal: warning: \(warning.text)") }
        if let disk { Terminal.write("journal: warning: \(disk)") }
        for failure in unreachable { Terminal.write("sink \(failure.sink): \(failure.reason)") }
        for subscription in outcome.configuration?.subscriptions ?? [] {
            Terminal.write(subscription.text)
        }
        let warnings = outcome.warnings.isEmpty ? "" : ", \(Wording.count(outcome.warnings.count, "warning"))"
        Terminal.note("\(file.config): \(Wording.count(outcome.errors.count, "error"))\(warnings)")
    }

    private static func json(
        _ outcome: ConfigLoader.Outcome, _ waiting: [SinkWarnings], _ disk: String?,
        _ unreachable: [Unreachable]
    ) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { object in
            object.member("valid", outcome.configuration != nil)
            object.name("issues")
            object.array { list in
                for issue in outcome.issues { issue.write(to: &list) }
            }
            object.name("subscriptions")
            object.array { list in
                for subscription in outcome.configuration?.subscriptions ?? [] {
                    list.object { subscription.write(to: &$0) }
                }
            }
            object.name("waiting")
            object.array { list in
                for warning in waiting {
                    list.object { sink in
                        sink.member("sink", warning.sink)
                        sink.member("waiting", warning.waiting)
                        sink.member("warning", warning.text)
                    }
                }
            }
            object.member("disk", disk)
            object.name("unreachable")
            object.array { list in
                for failure in unreachable {
                    list.object { sink in
                        sink.member("sink", failure.sink)
                        sink.member("reason", failure.reason)
                    }
                }
            }
        }
        return writer.bytes
    }

    /// What the journal has for sinks that the config takes out or neglects; nothing where there is no
    /// journal yet, or one that cannot be read, which the start will tell.
    private static func waiting(_ configuration: RelayConfiguration?) async -> [SinkWarnings] {
        guard let configuration,
            let journal = try? SQLiteJournalInspection(path: configuration.journal.path),
            let status = try? await journal.status()
        else { return [] }
        return SinkWarnings.find(status, configuration, at: SystemClock().now)
    }

    /// A sink that cannot be used, and why.
    private struct Unreachable {
        let sink: String
        let reason: String
    }

    /// Tries every enabled sink, and tells which cannot be used.
    private func unreachable(_ configuration: RelayConfiguration) async -> [Unreachable] {
        var failures: [Unreachable] = []
        for settings in configuration.sinks where settings.isEnabled {
            do throws(SinkError) {
                let sink = try makeSink(settings)
                try await sink.probe()
                await sink.shutdown()
                Terminal.note("sink \(settings.name): can be reached")
            } catch {
                failures.append(Unreachable(sink: settings.name, reason: error.reason))
            }
        }
        return failures
    }
}

extension HookSubscription {
    /// What to enter in Okta, a type a line.
    var text: String {
        guard !eventTypes.isEmpty else {
            return "hook \(hook): its rules use no type that Okta sends to hooks"
        }
        var heading = "hook \(hook): subscribe it in Okta to \(Wording.count(eventTypes.count, "event type"))"
        if isOverLimit {
            heading +=
                " (more than the \(EventTypeCatalogue.hookTypesMax) that a hook takes: narrow the rules' "
                + "\"events\", or split the hook)"
        }
        return ([heading] + eventTypes.map { "  \($0)" }).joined(separator: "\n")
    }

    func write(to writer: inout JSONWriter) {
        writer.member("hook", hook)
        writer.name("eventTypes")
        writer.array { list in for type in eventTypes { list.string(type) } }
        writer.member("isOverLimit", isOverLimit)
    }
}
