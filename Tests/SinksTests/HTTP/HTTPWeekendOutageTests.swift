import Relay
import RelayTesting
import Testing

/// The CRM answers 503 from Friday evening to Monday morning, at full traffic, and on Saturday somebody
/// deletes 5,000 users by mistake: with a journal on disk, workers, and requests over sockets.
@Suite(.timeLimit(.minutes(30))) struct HTTPWeekendOutageTests {
    @Test func theCRMGetsAllOfItAndTheWireOfAnotherSinkTrips() async throws {
        let stage = try await WeekendStage()
        let status = try await stage.run {
            try await friday(stage)
            try await stage.pass(hours: 14)
            try await saturday(stage)
            try await stage.pass(hours: WeekendStage.hours - 14)
            try await monday(stage)
        }
        let crm = try #require(status.sinks.first { $0.name == "crm" })
        #expect(crm.waiting == 0 && crm.parked == 0 && crm.dead == 0 && crm.detached == 0, "\(crm)")
        #expect(crm.delivered == stage.appended)
        everythingCameOnceAndInOrder(stage)

        // What was stopped is all there, for a person to look at.
        let directory = try #require(status.sinks.first { $0.name == "directory" })
        let done = stage.directory.requests.count
        #expect(directory.hold?.kind == .tripped && directory.dead == 0 && directory.delivered == done)
        #expect(directory.waiting == stage.sentToDirectory + WeekendStage.deletedUsers - done)
    }

    /// Some are refused for a while, and wait; then the CRM is gone.
    private func friday(_ stage: WeekendStage) async throws {
        stage.crm.turn(.choosy)
        try await stage.append(WeekendStage.users)
        try await stage.crm.waitForRequests(WeekendStage.users)
        #expect(stage.crm.requests.filter { $0.status == 500 }.count == WeekendStage.users / 10)
        stage.crm.turn(.down)
    }

    /// The directory, which had all of its own so far, stops itself.
    private func saturday(_ stage: WeekendStage) async throws {
        try await stage.directory.waitForEvents(stage.sentToDirectory)
        let asked = stage.crm.requests.count
        try await stage.deleteAll()
        try await waitUntil { stage.board.snapshot["directory"]?.state == .tripped }
        let reason = try #require(stage.board.snapshot["directory"]?.reason)
        #expect(reason.hasPrefix("\(WeekendStage.deletionsMax) of operation delete"))
        #expect(asked > WeekendStage.users + Self.trials(inHours: 14))
    }

    private func monday(_ stage: WeekendStage) async throws {
        let requests = stage.crm.requests
        #expect(stage.directory.requests.filter(\.isDeletion).count == WeekendStage.deletionsMax)
        let (trials, least) = (requests.count - WeekendStage.users, Self.trials(inHours: WeekendStage.hours))
        #expect(trials > least && trials < 8 * least, "\(trials) trials, of \(least) at least")
        #expect(requests.dropFirst(WeekendStage.users).allSatisfy { $0.status == 503 })
        memoryIsBounded(stage)

        // The week begins while the CRM catches up.
        stage.crm.turn(.well)
        try await stage.append(WeekendStage.users)
        try await stage.drain()
        // A worker's window, and a page that it may have given back a moment ago.
        #expect(stage.heldMax <= 4_096 + 128, "\(stage.heldMax) bodies at a time")
        let figures = stage.memory.map { "\($0 >> 20)" }.joined(separator: ", ")
        Soak.report(
            """
            weekend over HTTP: \(stage.appended) events, \(trials) trials; \
            memory after each quarter \(figures) MiB; at most \(stage.heldMax) bodies with the worker
            """)
    }

    /// How often a sink that is down is tried at least: half as often as by the longest pauses, for the clock
    /// may go on by more than one of them at a time.
    private static func trials(inHours hours: Int64) -> Int {
        Int(hours * 3_600 / WeekendStage.pauseMax / 2)
    }

    /// A sink that is down holds nothing between two trials, and a few pages of 128 in one.
    private func memoryIsBounded(_ stage: WeekendStage) {
        #expect(stage.appended >= WeekendStage.events)
        #expect(stage.heldAtRest.sorted()[stage.heldAtRest.count / 2] == 0)
        #expect(stage.heldMax <= 512, "\(stage.heldMax) bodies at a time")
        // Only the long form has the process for itself, and events of 350 MB after the first quarter.
        if Soak.isOn {
            #expect(stage.memory[3] - stage.memory[0] < 100 << 20, "\(stage.memory)")
        }
    }

    private func everythingCameOnceAndInOrder(_ stage: WeekendStage) {
        #expect(differences(stage.crm.order, from: stage.sent) == [])
        // Nothing crashed and no answer was lost, so nothing that was taken came again.
        #expect(stage.crm.requests.filter { $0.status == 200 }.count == stage.appended)
        let keys = stage.crm.keys
        #expect(keys.values.allSatisfy { $0.count == 1 && !$0.contains("") }, "a repetition has its key")
        #expect(Set(keys.values.flatMap(\.self)).count == stage.appended, "and nobody else has it")
    }
}
