import Config
import Foundation
import Relay
import RelayTesting
import Testing

@testable import Sinks

/// The suite that every sink passes, over both databases.
@Suite("SQL: sink conformance")
struct SQLConformanceTests {
    @Test(arguments: SQLSinkFixture.Database.allCases, SinkConformance.Check.allCases)
    func conforms(_ database: SQLSinkFixture.Database, _ check: SinkConformance.Check) async throws {
        try await SinkConformance.run(check, SQLSinkFixture(database))
    }

    @Test func conformsThroughAnOutageOfPostgreSQL() async throws {
        let cluster = try PostgresCluster()
        let url = try cluster.makeDatabase()
        let sink = try SQLSinkFixture.makeSink(.postgresql, url, .init(name: "users"))
        try await SinkConformance.run(.outage, Outage(sink: sink, cluster: cluster))
    }

    /// A cluster that stops and starts.
    struct Outage: SinkFixture {
        let sink: any Sink
        let cluster: PostgresCluster

        func effects() async throws -> [String] {
            guard let sink = sink as? any RowBrowsing else { return [] }
            let page = try await sink.rows(after: nil, limit: 10)
            return String(decoding: page.rows, as: UTF8.self).contains("\"a@1\"") ? ["a:a@1"] : []
        }

        func breakDestination() async throws -> Bool {
            try cluster.stop()
            return true
        }

        func mendDestination() async throws { try cluster.start() }
    }

    @Test func aKilledServerLosesNothingThatWasDelivered() async throws {
        let cluster = try PostgresCluster(isDurable: true)
        let url = try cluster.makeDatabase()
        let sink = try SQLSinkFixture.makeSink(.postgresql, url, .init(name: "users"))
        let fixture = Outage(sink: sink, cluster: cluster)
        try await sink.prepare()
        let event = EventSample(type: "user.lifecycle.create", user: "a", second: 1).event
        let delivery = Delivery(offset: Offset(rawValue: 1), event: event, rule: "all", attempt: 1)
        #expect(try await sink.deliver([delivery]) == [Receipt(offset: delivery.offset, .delivered)])
        try cluster.kill()
        await #expect(throws: SinkError.self) { try await sink.probe() }
        try cluster.start()
        #expect(try await fixture.effects() == ["a:a@1"])
    }
}
