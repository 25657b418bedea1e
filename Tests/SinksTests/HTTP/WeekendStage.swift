import Config
import Foundation
import JSON
import Relay
import RelayTesting
import Rules
import ServiceLifecycle

@testable import Sinks

/// A CRM and a directory, and the relay's side of delivery as it is: a journal on disk, workers, and requests
/// over sockets.
///
/// Only the clock is the test's. Everything that happens to users goes to the CRM, one event in 50 to the
/// directory as well.
final class WeekendStage {
    /// People to whom something happens all the time.
    static let users = 300
    static let deletedUsers = 5_000
    static let hours: Int64 = 60
    /// Full traffic: what happens to them within the weekend.
    static let events = Soak.count("OKTA_RELAY_WEEKEND_EVENTS", short: 6_000, long: 200_000)
    /// A sink that is down is tried again after that many seconds at the latest.
    static let pauseMax: Int64 = Soak.isOn ? 320 : 3_600
    static let deletionsMax = 100

    let board = SinkBoard()
    let crm = MoodyDestination()
    let directory = MoodyDestination()
    /// Watches the CRM's worker.
    let journal: WatchedJournal
    private let clock = ManualClock()
    private let folder: TemporaryFolder
    private let store: SQLiteJournal
    private let client: CurlClient
    private let receivers: [HTTPReceiver]
    private let fleet: SinkFleet
    private let start: Int64
    private var random = SeededGenerator(seed: 1)

    /// The events of each user, in order.
    private(set) var sent: [String: [String]] = [:]
    private(set) var appended = 0
    /// Those of them that went to the directory as well.
    private(set) var sentToDirectory = 0
    /// Bodies that the CRM's worker had in memory, each time somebody had gone to sleep.
    private(set) var heldAtRest: [Int] = []
    /// The most that it ever had.
    private(set) var heldMax = 0
    /// Bytes of memory of this process after each quarter of the weekend.
    private(set) var memory: [Int] = []

    init() async throws {
        folder = try TemporaryFolder()
        start = clock.now
        store = try await SQLiteJournal(
            path: folder.file("journal.sqlite"), retention: .seconds(30 * 86_400), clock: clock,
            logger: .quiet)
        journal = WatchedJournal(store, watching: "crm")
        receivers = try [crm, directory].map { destination in
            try HTTPReceiver { destination.answer($0) }
        }
        client = CurlClient(reuse: ConnectionReuse(repeatable: 3_600, once: 3_600))
        fleet = SinkFleet(
            SinkFleet.Surroundings(
                journal: journal, clock: clock, metrics: RelayMetrics(version: "test", startedAt: 0),
                board: board, stopTimeout: .seconds(10), logger: .quiet))
    }

    /// Delivers while the body runs, then stops gracefully; the journal's status after that.
    func run(_ body: () async throws -> Void) async throws -> JournalStatus {
        do {
            try await deliver(whileRunning: body)
            let status = try await SQLiteJournalInspection(path: folder.file("journal.sqlite")).status()
            await close()
            return status
        } catch {
            await close()
            throw error
        }
    }

    private func deliver(whileRunning body: () async throws -> Void) async throws {
        // Far less than the outage lasts.
        let giveUpAfter = Duration.seconds(3_600)
        // The pauses between trials grow 16-fold.
        let retry = RetryConfiguration(
            initial: .seconds(Self.pauseMax / 16), max: .seconds(Self.pauseMax), giveUpAfter: giveUpAfter)
        let wire = RateLimit(count: Self.deletionsMax, period: .seconds(3_600))
        try await store.keep([SinkPolicy(name: "crm"), SinkPolicy(name: "directory")])
        await fleet.add([
            SinkFleet.Member(
                sink: try sink("crm", at: receivers[0].url), policy: DeliveryPolicy(retry: retry)),
            SinkFleet.Member(
                sink: try sink("directory", at: receivers[1].url),
                policy: DeliveryPolicy(retry: retry, limits: [.delete: wire])),
        ])
        let group = ServiceGroup(services: [fleet], logger: .quiet)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await body()
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    private func close() async {
        await client.shutdown()
        for receiver in receivers { receiver.stop() }
        await journal.close()
    }

    /// One contact per user.
    private func sink(_ name: String, at base: String) throws -> HTTPSink {
        let url = "\(base)/contacts/{{ $.user.id }}"
        let headers = [("X-Event", "{{ $.relay.id }}")]
        let delete = try HTTPFixtures.request("DELETE", url, headers: headers)
        let configuration = HTTPSinkConfiguration(
            request: try HTTPFixtures.request("PUT", url, headers: headers, body: HTTPFixtures.contactBody),
            on: [HTTPRequestCase(selector: .operation(.delete), request: delete)],
            timeout: .seconds(60), allowsPrivate: true, allowsHTTP: true)
        return HTTPSink(name: name, configuration: configuration, client: client, clock: clock)
    }

    // MARK: - Time

    /// Lets that much time pass and more happen all the while.
    ///
    /// Time goes from sleep to sleep: while a sink is down, its worker sleeps until each next trial.
    func pass(hours: Int64) async throws {
        let end = clock.now + hours * 3_600_000_000_000
        while clock.now < end {
            let pause = await clock.nextSleep()
            try Task.checkCancellation()
            look()
            clock.advance(by: pause)
            let share = Double(clock.now - start) / Double(Self.hours * 3_600_000_000_000)
            try await append(Int(share * Double(Self.events)) + Self.users - appended)
        }
        look()
    }

    /// Lets as much time pass as is needed until the CRM has taken all that was appended.
    ///
    /// The last thing that is done to the clock.
    func drain() async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { [clock] in
                while !Task.isCancelled { clock.advance(by: await clock.nextSleep()) }
            }
            try await crm.waitForEvents(appended)
            tasks.cancelAll()
        }
        heldMax = max(heldMax, journal.takeHeldMax())
    }

    private func look() {
        heldAtRest.append(journal.held)
        heldMax = max(heldMax, journal.takeHeldMax())
        let quarters = 4 * (clock.now - start) / (Self.hours * 3_600_000_000_000)
        while memory.count < min(4, quarters) { memory.append(Self.memoryOfThisProcess()) }
    }

    /// What no file stands behind.
    private static func memoryOfThisProcess() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
        let kilobytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
        return (kilobytes ?? 0) * 1_024
    }

    // MARK: - What happens to users

    /// Appends that many events: at first one of each user, then whoever's turn it is.
    func append(_ count: Int) async throws {
        var left = count
        while left > 0 {
            var submission = Submission()
            for _ in 0..<min(left, Self.batchMax) { submission.events.append(try next()) }
            left -= submission.events.count
            _ = try await journal.append(submission)
        }
    }

    /// A bad import in the directory's own rule: all at once, the way Okta tells of it.
    func deleteAll() async throws {
        for first in stride(from: 0, to: Self.deletedUsers, by: Self.batchMax) {
            let batch = try (first..<min(first + Self.batchMax, Self.deletedUsers)).map { number in
                let user = "gone-\(number)"
                return try event(user, "user.lifecycle.delete.initiated", user, ["directory"])
            }
            _ = try await journal.append(Submission(events: batch))
        }
    }

    private static let batchMax = 500
    private static let types = [
        "user.account.update_profile", "user.lifecycle.suspend", "user.lifecycle.unsuspend",
    ]

    private func next() throws -> Submission.RoutedEvent {
        let number = appended < Self.users ? appended : Int.random(in: 0..<Self.users, using: &random)
        let (user, id) = ("user-\(number)", "event-\(appended)")
        let isForDirectory = appended.isMultiple(of: 50)
        let type = Self.types[Int.random(in: Self.types.indices, using: &random)]
        appended += 1
        sent[user, default: []].append(id)
        sentToDirectory += isForDirectory ? 1 : 0
        return try event(id, type, user, isForDirectory ? ["crm", "directory"] : ["crm"])
    }

    private func event(
        _ id: String, _ type: String, _ user: String, _ sinks: [String]
    ) throws -> Submission.RoutedEvent {
        // Each a millisecond later than the one before, also where the clock stands still: stamps count in
        // those.
        let published = Timestamp(nanoseconds: clock.now + Int64(appended) * 1_000_000).description
        var json = LogEventFixture(
            uuid: id, type: type, published: published, userID: user, login: "\(user)@example.com"
        ).json
        json.removeLast()
        json += Self.rest
        return Submission.RoutedEvent(
            event: try Event(body: JSONDocument(json), hook: "okta", org: "okta", receivedAt: clock.now),
            route: Route(choices: sinks.map { Route.Choice(sink: $0, rule: "rule") }))
    }

    /// The end of an event's text, which makes it as large as Okta's are.
    private static let rest = Array(
        (#","debugContext":""# + String(repeating: "x", count: 2_000) + "\"}").utf8)
}
