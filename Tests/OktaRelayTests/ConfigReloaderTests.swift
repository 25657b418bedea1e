import Config
import Foundation
import Logging
import RelayTesting
import Rules
import Sinks
import Testing
import UnixSignals

@testable import OktaRelay
@testable import Relay

/// What a reload does where one of its steps fails.
@Suite struct ConfigReloaderTests {
    private static func config(sinks: [String]) -> String {
        let all = sinks.map { #""\#($0)": {"type":"sqlite","path":"out.sqlite","table":"\#($0)"}"# }
        let names = sinks.map { #""\#($0)""# }.joined(separator: ",")
        return """
            {"server":{"listen":"127.0.0.1:0"}, "admin":{"listen":"127.0.0.1:0","token":"t0ken-t0ken"},
             "hooks":[{"name":"okta","path":"/okta","secrets":["s3cret-s3cret"]}],
             "sinks":{\(all.joined(separator: ","))},
             "rules":[{"name":"r","events":["*"],"sinks":[\(names)]}]}
            """
    }

    @Test func nothingIsSwappedWhereANewSinkCannotBeLeased() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("sinks.json")
        func write(_ text: String) throws { try text.write(toFile: path, atomically: true, encoding: .utf8) }
        try write(Self.config(sinks: ["first"]))
        let initial = try #require(ConfigLoader().load(path: path).configuration)
        let (clock, board) = (SystemClock(), SinkBoard())
        let journalPath = folder.file("journal.sqlite")
        let journal = try await SQLiteJournal(path: journalPath, retention: .seconds(86_400), clock: clock)
        let inspection = try SQLiteJournalInspection(path: journalPath)
        let metrics = RelayMetrics(version: "test", startedAt: 0)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let fleet = SinkFleet(
            SinkFleet.Surroundings(
                journal: journal, clock: clock, metrics: metrics, board: board, stopTimeout: .seconds(1),
                logger: logger))
        let factory = SinkFactory(clock: clock, logger: logger)
        try await fleet.add(try await factory.members(initial.enabledSinks))
        let live = LiveIntake(initial.intakeSettings)
        let hands = Operator(
            journal: journal, inspection: inspection, settings: initial.operatorSettings, clock: clock,
            logger: logger, restart: { await fleet.restart($0) })
        let reloader = ConfigReloader(
            path: path, initial: initial, hangups: await UnixSignalsSequence(trapping: []), live: live,
            fleet: fleet, factory: factory,
            admin: AdminServer(
                initial.admin,
                sources: AdminSources(journal: inspection, board: board, sinks: { fleet.sinks }),
                metrics: metrics, readiness: Readiness(clock: clock), clock: clock, logger: logger),
            hands: hands, keep: { try await journal.keep($0) }, inspection: inspection, clock: clock,
            metrics: metrics, logger: logger)
        try write(Self.config(sinks: ["first", "second"]))

        await journal.close()
        let kept = await reloader.reload(initial)
        #expect(kept.sinks == initial.sinks)
        #expect(live.current.rules.rules.map(\.sinks) == [["first"]])
        #expect(fleet.sinks.map(\.name) == ["first"])
        await factory.shutdown()
    }
}
