import Foundation
import JSON
import Relay
import RelayTesting
import Testing

/// `kill -9` at random instants, under load and while the relay starts: nothing acknowledged is lost, nothing
/// goes where it was not to go, and nothing that was settled is done again.
@Suite(.timeLimit(.minutes(30))) struct CrashTests {
    /// Each start of the relay has a token of its own, so that every request tells which life it is of.
    let oracle: DeliveryOracle
    private var setup: RelaySetup { oracle.setup }
    private static let eventsPerRound = 160
    /// What a worker may have answered by the sink and not yet settled.
    private static let unsettledMax = 64
    /// `OKTA_RELAY_CRASH_ROUNDS=n` kills that often, `OKTA_RELAY_CRASH_SEED=n` at other instants.
    private static let rounds = Soak.count("OKTA_RELAY_CRASH_ROUNDS", short: 6, long: 40)
    private static let seed = UInt64(Soak.count("OKTA_RELAY_CRASH_SEED", short: 0x5EED, long: 0x5EED))
    private static let replay = Soak.replay(
        of: "CrashTests", "OKTA_RELAY_CRASH_SEED=\(seed) OKTA_RELAY_CRASH_ROUNDS=\(rounds)")

    init() async throws {
        oracle = try await DeliveryOracle(
            token: "${file:life}", trouble: MomentaryTrouble(seed: Self.seed))
    }

    @Test(.replayed(by: CrashTests.replay))
    func killedAgainAndAgainItLosesAndDoublesNothing() async throws {
        defer { oracle.receiver.stop() }
        let (rounds, seed) = (Self.rounds, Self.seed)
        var random = SeededGenerator(seed: seed)
        let sender = PatientSender(
            .init(
                users: 40, events: (rounds + 1) * Self.eventsPerRound, batchMax: 4, duplicates: 0.1,
                seed: seed, start: 1_772_000_000_000_000_000))
        var settled = Settled()
        for life in 1...rounds {
            try setup.write("\(life)", to: "life")
            try await liveAndDie(sender, &random)
            // Killed in its very first moments, it has left no journal to read.
            if !sender.acknowledged.isEmpty {
                let lost = sender.acknowledged.subtracting(try await oracle.journaled())
                #expect(lost.isEmpty, "acknowledged and not in the journal")
                try await settled.note(life, setup.folder.file("journal.sqlite"))
            }
        }
        // A few lives may all end while nothing waits for its retry.
        #expect(settled.parked > 0 || rounds < 20, "it never died with a retry waiting")
        try setup.write("\(rounds + 1)", to: "life")
        let last = try await setup.start()
        await sender.send(to: setup.target)
        #expect(sender.isDone)
        try await setup.waitUntilSettled()
        try oracle.expectCounts(try await setup.status(), of: sender)
        #expect(await last.stop() == 0)
        try await oracle.expectEverything(of: sender)
        expectRepeats(of: "feed", try oracle.messages, settled)
        expectRepeats(of: "crm", oracle.contacts, settled)
    }

    /// The contact is made, and neither the relay nor its journal will ever hear of it.
    @Test(arguments: [true, false]) func killedBetweenACreateAndItsSettleItMakesNoSecond(
        canLookUp: Bool
    ) async throws {
        let store = ContactStore()
        let receiver = try HTTPReceiver { request in
            let answer = store.answer(request)
            return request.method == "POST" ? .hold(201) : answer
        }
        defer { receiver.stop() }
        let setup = try RelaySetup(
            sinks: Destinations.contacts(
                receiver.url, posts: true, unknown: canLookUp ? nil : #""unknown": "deadLetter""#),
            rules: Destinations.rule(to: "crm"))
        let relay = try await setup.start()
        let types = ["user.lifecycle.create", "user.lifecycle.activate"]
        let events = (0..<6).map { number in
            LogEventFixture(
                uuid: "event-\(number)", type: types[number / 3],
                published: "2026-03-01T10:00:0\(number).000Z", userID: "00u\(number % 3)")
        }
        #expect(try await setup.post(RelaySetup.envelope(events.map(\.json))) == 200)
        await receiver.waitForRequests(3)
        #expect(await relay.kill() == 128 + SIGKILL)
        receiver.release()

        let next = try await setup.start()
        try await setup.waitUntilSettled()
        let sink = try await setup.status().sink("crm")
        #expect(await next.stop() == 0)
        // Each was made once; the next event of the user has gone on, and where nobody can be asked, a
        // person is.
        #expect(store.creations == ["00u0": 1, "00u1": 1, "00u2": 1] && store.doubled == [])
        #expect(sink?["delivered"]?.int == (canLookUp ? 6 : 3) && sink?["dead"]?.int == (canLookUp ? 0 : 3))
        #expect(receiver.requests.count { $0.method == "POST" } == 3)
        #expect(receiver.requests.count { $0.method == "PUT" } == 3)
        #expect(receiver.requests.count { $0.target.contains("by-external-id") } == (canLookUp ? 3 : 0))
    }

    /// One life under load, ended at a random instant; one in four while the relay is still starting.
    private func liveAndDie(_ sender: PatientSender, _ random: inout SeededGenerator) async throws {
        let diesYoung = Int.random(in: 0..<4, using: &random) == 0
        let relay = try await setup.start(waitsUntilReady: !diesYoung)
        let pause = Duration.milliseconds(Int.random(in: 0...(diesYoung ? 400 : 30), using: &random))
        guard !diesYoung else {
            try await SystemClock().sleep(for: pause)
            #expect(await relay.kill() == 128 + SIGKILL)
            return
        }
        let count = Int.random(in: 1...Self.eventsPerRound, using: &random)
        let moment = sender.milestone(sender.acknowledged.count + count)
        async let traffic: Void = sender.send(to: setup.target)
        for await _ in moment {}
        try await SystemClock().sleep(for: pause)
        #expect(await relay.kill() == 128 + SIGKILL)
        await traffic
    }

    /// What came in more than one life had not been settled in the first, what was settled had been taken,
    /// and what was taken in more than one life is little.
    private func expectRepeats(
        of sink: String, _ arrivals: [DeliveryOracle.Arrival], _ settled: Settled
    ) {
        var repeats: [Int: Int] = [:]
        for (event, arrivals) in Dictionary(grouping: arrivals, by: \.event) {
            let lives = Set(arrivals.map { Int($0.token) ?? .max })
            let taken = Set(arrivals.filter(\.isTaken).map { Int($0.token) ?? .max }).sorted()
            let end = settled.lives[sink]?[event] ?? .max
            let isEarly = lives.allSatisfy { $0 < .max && $0 <= end }
            #expect(isEarly, "\(sink): \(event) was settled in \(end) and came in \(lives)")
            let isTaken = taken.first.map { $0 <= end } == true
            #expect(isTaken, "\(sink): \(event) was settled in \(end) and taken in \(taken)")
            for life in taken.dropFirst() { repeats[life, default: 0] += 1 }
        }
        #expect(repeats.values.allSatisfy { $0 <= Self.unsettledMax }, "\(sink): \(repeats) repeated by life")
    }
}

/// In which life of the relay each event was settled at each sink, by what a killed relay left on disk.
private struct Settled {
    /// By sink and event.
    private(set) var lives: [String: [String: Int]] = [:]
    /// Deliveries that waited for a retry when a life ended, over all lives.
    private(set) var parked = 0

    mutating func note(_ life: Int, _ journal: String) async throws {
        let entries = try await Rows.sqlite(journal, "SELECT \"offset\", event_id FROM entries").map { row in
            (offset: try Self.number(row[0]), event: try #require(row[1]))
        }
        for sink in try await Rows.sqlite(journal, "SELECT name, cursor, settled_above, id FROM sinks") {
            let (name, cursor) = (try #require(sink[0]), try Self.number(sink[1]))
            let above = try Self.offsets(try #require(sink[2]))
            let id = try Self.number(sink[3])
            let query = "SELECT \"offset\" FROM parked WHERE sink_id = \(id)"
            let parked = Set(try await Rows.sqlite(journal, query).map { try Self.number($0[0]) })
            self.parked += parked.count
            for entry in entries where entry.offset <= cursor || above.contains(entry.offset) {
                guard !parked.contains(entry.offset), lives[name]?[entry.event] == nil else { continue }
                lives[name, default: [:]][entry.event] = life
            }
        }
    }

    /// What stands in the journal as `5-9,12`.
    private static func offsets(_ text: String) throws -> Set<Int64> {
        var offsets: Set<Int64> = []
        for range in text.isEmpty ? [] : text.split(separator: ",", omittingEmptySubsequences: false) {
            let bounds = try range.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map {
                try number(String($0))
            }
            try #require(bounds[0] <= bounds[bounds.count - 1], "offsets in no order: \(text)")
            offsets.formUnion(bounds[0]...bounds[bounds.count - 1])
        }
        return offsets
    }

    private static func number(_ text: String?) throws -> Int64 {
        try #require(text.flatMap { Int64($0) }, "no number: \(text ?? "NULL")")
    }
}
