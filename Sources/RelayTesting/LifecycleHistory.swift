public import Relay

/// Random lives of many users, and a way of sending them that no order survives.
///
/// People are created, activated, updated, suspended, deactivated, deleted with the profile update that
/// follows, and sometimes created anew under the same id; now and then two things happen to one of them at
/// the same instant. The same seed gives the same history.
public struct LifecycleHistory {
    /// In the order in which they happened, user by user.
    public private(set) var events: [SimulatedEvent] = []
    private var random: SeededGenerator
    private static let start: Int64 = 1_772_000_000_000_000_000

    public init(users: Int, seed: UInt64) {
        random = SeededGenerator(seed: seed)
        for number in 0..<users { live(number) }
    }

    /// All events shuffled, some of them again, in envelopes of 1 to `batchMax`.
    public mutating func envelopes(batchMax: Int) -> [SimulatedEnvelope] {
        var all = events + events.filter { _ in chance(8) }
        all.shuffle(using: &random)
        var envelopes: [SimulatedEnvelope] = []
        while !all.isEmpty {
            let batch = Array(all.suffix(Int.random(in: 1...batchMax, using: &random)))
            all.removeLast(batch.count)
            envelopes.append(
                SimulatedEnvelope(
                    events: batch, hookID: "whoHistory", sentAt: Self.start, fractionDigits: 3,
                    id: "envelope-\(envelopes.count)"))
        }
        return envelopes
    }

    // MARK: - A life

    fileprivate enum Phase { case absent, staged, active, suspended, deprovisioned }

    private mutating func live(_ number: Int) {
        var person = Person(number: number, now: Self.start + Int64(number) * 1_000_000_000)
        var phase = Phase.absent
        for _ in 0..<Int.random(in: 1...14, using: &random) {
            // A third of all steps follow within the same millisecond, as Okta's do.
            if !chance(3) { person.now += Int64.random(in: 1...4_000, using: &random) * 1_000_000 }
            let (type, next) = step(from: phase)
            if type == .updateProfile || type == .create { person.renamed += 1 }
            add(type, person)
            phase = next
            guard type == .deleteInitiated else { continue }
            person.now += Int64.random(in: 24...39, using: &random) * 1_000_000
            person.isRenamedByDeletion = true
            add(.updateProfile, person)
            person.isRenamedByDeletion = false
            if chance(2) { return }
        }
    }

    private mutating func step(from phase: Phase) -> (LifecycleEventType, Phase) {
        switch phase {
        case .absent: (.create, .staged)
        case .staged: [(.activate, .active), (.updateProfile, .staged), (.deactivate, .deprovisioned)].draw(
            &random)
        case .active: [(.updateProfile, .active), (.suspend, .suspended), (.deactivate, .deprovisioned)].draw(
            &random)
        case .suspended: [(.activate, .active), (.deactivate, .deprovisioned)].draw(&random)
        case .deprovisioned:
            [(.activate, .active), (.deleteInitiated, .absent), (.deleteInitiated, .absent)].draw(&random)
        }
    }

    private mutating func add(_ type: LifecycleEventType, _ person: Person) {
        // Ids in no order, for they break ties.
        let id = String(random.next(), radix: 36) + "-\(events.count)"
        var event = LogEventFixture(
            uuid: id, type: type.rawValue, published: Timestamp(nanoseconds: person.now).description,
            userID: person.id, login: person.login)
        event.displayName = person.name
        events.append(
            SimulatedEvent(id: id, type: type, userID: person.id, published: person.now, bytes: event.json))
    }

    private mutating func chance(_ outOf: Int) -> Bool { Int.random(in: 0..<outOf, using: &random) == 0 }
}

private struct Person {
    let number: Int
    var now: Int64
    var renamed = 0
    var isRenamedByDeletion = false

    var id: String { "00u\(number)" }
    var name: String { "Person \(number) the \(renamed)." }
    var login: String { isRenamedByDeletion ? "\(id)@deleted.invalid" : "p\(number).\(renamed)@example.com" }
}

extension [(LifecycleEventType, LifecycleHistory.Phase)] {
    fileprivate func draw(_ random: inout SeededGenerator) -> Element {
        self[Int.random(in: 0..<count, using: &random)]
    }
}
