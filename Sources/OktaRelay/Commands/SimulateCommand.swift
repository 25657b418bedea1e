import ArgumentParser
import Config
import Foundation
import JSON
import Relay

/// `simulate`: plays Okta against a relay.
struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Play Okta: verify the hook, then send generated user lifecycle events.",
        discussion: """
            Users are created, activated, renamed, suspended, deactivated and deleted as in a real org; \
            every POST has Okta's patience: three seconds, one more try after a timeout or a 5xx, none \
            after a 4xx. Without --url the first hook of the config file is called. Exit code 1 when \
            anything was not acknowledged.

            Example:
              okta-relay simulate --config sinks.example.json --users 20 --events 500 --batch 5
            """
    )

    @OptionGroup var file: ConfigOption
    @OptionGroup var output: OutputOption

    @Option(help: ArgumentHelp("The hook's URL; needs --secret-file.", valueName: "url"))
    var url: String?

    @Option(help: ArgumentHelp("The header that carries the secret.", valueName: "name"))
    var header: String?

    @Option(help: ArgumentHelp("The file that holds the secret.", valueName: "file"))
    var secretFile: String?

    @Option(help: ArgumentHelp("Users alive at the same time.", valueName: "count"))
    var users = 100

    @Option(help: ArgumentHelp("Distinct events to send.", valueName: "count"))
    var events = 1_000

    @Option(
        help: ArgumentHelp("Envelopes a second; without it, as fast as answers come.", valueName: "count"))
    var rate: Double?

    @Option(help: ArgumentHelp("Connections that send at the same time.", valueName: "count"))
    var connections = 4

    @Option(help: ArgumentHelp("Events in one envelope at most.", valueName: "count"))
    var batch = 1

    @Option(help: ArgumentHelp("Share of events that are sent a second time, 0 to 1.", valueName: "share"))
    var duplicates = 0.0

    @Option(help: ArgumentHelp("Makes the same users and events again; drawn and printed without it."))
    var seed: UInt64?

    @Flag(help: "Skip the verification GET.")
    var skipVerification = false

    @Flag(help: "Accept any certificate: for a relay with one of its own making.")
    var insecure = false

    func validate() throws {
        let limits: [(String, Bool, String)] = [
            ("--users", (1...1_000_000).contains(users), "1 to 1000000"),
            ("--events", (1...100_000_000).contains(events), "1 to 100000000"),
            ("--connections", (1...1_024).contains(connections), "1 to 1024"),
            ("--batch", (1...10_000).contains(batch), "1 to 10000"),
            ("--duplicates", (0...1).contains(duplicates), "0 to 1"),
            ("--rate", rate.map { $0 > 0 } ?? true, "more than 0"),
        ]
        for (option, isInRange, range) in limits where !isInRange {
            throw ValidationError("\(option) is \(range)")
        }
        if let url {
            guard HTTPTarget(url) != nil else { throw ValidationError("--url is not an http or https URL") }
            if secretFile == nil { throw ValidationError("--url needs --secret-file") }
        }
    }

    func run() async throws {
        let seed = seed ?? Self.freshSeed()
        let simulator = OktaSimulator(try simulatorOptions())
        let generator = LifecycleGenerator(
            .init(
                users: users, events: events, batchMax: batch, duplicates: duplicates, seed: seed,
                start: SystemClock().now))
        Terminal.note(
            "simulating \(Wording.count(events, "event")) of \(Wording.count(users, "user")), --seed \(seed)")
        let report = await simulator.run(generator)
        if output.json { Terminal.write(report.json) } else { write(report) }
        if !report.isComplete { throw ExitStatus.problems.code }
    }

    private func simulatorOptions() throws -> OktaSimulator.Options {
        let target: HTTPTarget
        var hook: HookConfiguration?
        if let url, let parsed = HTTPTarget(url) {
            target = parsed
        } else {
            let configuration = try ConfigurationFile.load(file.config)
            guard let first = configuration.hooks.first else {
                throw Terminal.failure("\(file.config) has no hook to call", .problems)
            }
            hook = first
            target = HTTPTarget(
                calling: configuration.server.listen, isTLS: configuration.server.tls != nil, path: first.path
            )
        }
        return OktaSimulator.Options(
            target: target,
            header: header ?? hook?.header ?? "Authorization",
            secret: try secret(of: hook),
            connections: connections,
            rate: rate,
            verifiesHook: !skipVerification,
            verifiesCertificate: !insecure
        )
    }

    private func secret(of hook: HookConfiguration?) throws -> Secret {
        if let secretFile {
            let text = String(decoding: try ConfigurationFile.read(secretFile), as: UTF8.self)
            return Secret(text.hasSuffix("\n") ? String(text.dropLast()) : text)
        }
        guard let secret = hook?.secrets.first else {
            throw Terminal.failure("there is no secret to send: name a file with --secret-file", .problems)
        }
        return secret
    }

    private func write(_ report: SimulationReport) {
        if let problem = report.verificationProblem {
            Terminal.write("not verified: \(problem)")
            return
        }
        var table = TextTable([.left("ANSWER"), .right("COUNT")])
        for (label, count) in report.answers.sorted(by: { $0.key < $1.key }) {
            table.add(label, String(count))
        }
        Terminal.write(table)
        Terminal.write()
        let retries = report.retries == 1 ? "1 retry" : "\(report.retries) retries"
        Terminal.write(
            "acknowledged  \(report.acknowledgedEnvelopes) of "
                + "\(Wording.count(report.envelopes, "envelope")), "
                + "\(Wording.count(report.acknowledgedIDs.count, "distinct event")), "
                + "\(retries) in \(Wording.duration(report.elapsed))")
        if let p50 = report.latency(at: 0.5), let p99 = report.latency(at: 0.99),
            let max = report.latency(at: 1)
        {
            Terminal.write(
                "latency       p50 \(Wording.duration(p50)), p99 \(Wording.duration(p99)), "
                    + "max \(Wording.duration(max))")
        }
    }

    private static func freshSeed() -> UInt64 {
        var random = SystemRandomNumberGenerator()
        return UInt64.random(in: 1...999_999, using: &random)
    }
}

extension SimulationReport {
    var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { report in
            report.member("verified", verificationProblem == nil)
            if let verificationProblem { report.member("problem", verificationProblem) }
            report.member("envelopes", envelopes)
            report.member("events", events)
            report.member("acknowledgedEnvelopes", acknowledgedEnvelopes)
            report.member("acknowledgedEvents", acknowledgedIDs.count)
            report.member("retries", retries)
            report.name("answers")
            report.object { list in
                for (label, count) in answers.sorted(by: { $0.key < $1.key }) { list.member(label, count) }
            }
            report.member("elapsedSeconds", Double(elapsed.nanoseconds) / 1e9)
            for (name, share) in [
                ("p50Milliseconds", 0.5), ("p99Milliseconds", 0.99), ("maxMilliseconds", 1),
            ] {
                if let latency = latency(at: share) { report.member(name, Double(latency.nanoseconds) / 1e6) }
            }
        }
        return writer.bytes
    }
}
