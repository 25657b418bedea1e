/// Lives a simulated org's life and writes it down as Okta would send it: the same events for the same seed.
///
/// What makes real hooks hard is in here on purpose: several events in one envelope and out of order, events
/// that come twice, a profile update behind every deletion that carries the login `…@deleted.invalid`,
/// targets in varying order, and fractions of a second with three to nine digits.
public struct LifecycleGenerator: Sendable {
    /// What kind of org, and how much of its life.
    public struct Options: Sendable, Equatable {
        /// Users alive at the same time; who is deleted makes room for a new one; at least 1.
        public var users: Int
        /// Distinct events in all.
        public var events: Int
        /// Events in one envelope at most; most carry fewer; at least 1.
        public var batchMax: Int
        /// The share of events that are sent a second time in a later envelope, 0 to 1.
        public var duplicates: Double
        public var seed: UInt64
        /// When the org's life starts, in nanoseconds since 1970.
        public var start: Int64

        public init(
            users: Int = 100, events: Int = 1_000, batchMax: Int = 1, duplicates: Double = 0,
            seed: UInt64 = 1, start: Int64
        ) {
            self.users = users
            self.events = events
            self.batchMax = batchMax
            self.duplicates = duplicates
            self.seed = seed
            self.start = start
        }
    }

    /// Everybody who lives in the org now, as the events so far left them.
    public private(set) var users: [SimulatedUser]
    /// The ids of those who were deleted.
    public private(set) var deletedIDs: [String] = []

    private let options: Options
    private var random: SeededGenerator
    private var now: Int64
    private var eventsLeft: Int
    private var usersMade = 0
    private let hookID: String
    /// Events that happened and wait for an envelope.
    private var pending: [SimulatedEvent] = []
    /// Events to be sent again.
    private var repeats: [SimulatedEvent] = []

    public init(_ options: Options) {
        precondition(options.users > 0 && options.batchMax > 0, "an org without users or an empty envelope")
        self.options = options
        random = SeededGenerator(seed: options.seed)
        now = options.start
        eventsLeft = options.events
        hookID = random.identifier(prefix: "who", length: 20)
        users = []
        for _ in 0..<options.users { users.append(newcomer()) }
    }

    /// The next envelope; nil when all events have been sent.
    public mutating func nextEnvelope() -> SimulatedEnvelope? {
        let size = Int.random(in: 1...options.batchMax, using: &random)
        while pending.count < size, eventsLeft > 0 { happen() }
        var events = Array(pending.prefix(size))
        pending.removeFirst(events.count)
        if !repeats.isEmpty, events.count < options.batchMax || events.isEmpty {
            events.append(repeats.removeFirst())
        }
        guard !events.isEmpty else { return nil }
        for event in events where random.happens(options.duplicates) && !event.isRepeat {
            repeats.append(event.repeated)
        }
        if random.happens(0.2) { events.shuffle(using: &random) }
        return SimulatedEnvelope(
            events: events,
            hookID: hookID,
            sentAt: now + Int64.random(in: 50_000_000..<10_000_000_000, using: &random),
            fractionDigits: [3, 6, 9][Int.random(in: 0..<3, using: &random)],
            id: random.uuid(version: 4)
        )
    }

    // MARK: - What happens

    /// Lets one thing happen to somebody: one event, or the two of a deletion.
    private mutating func happen() {
        let index = Int.random(in: 0..<users.count, using: &random)
        let type = nextStep(of: users[index])
        let transaction = random.identifier(prefix: "Y", length: 27)
        now += Int64.random(in: 1_000_000..<1_500_000_000, using: &random)
        if type == .updateProfile { users[index].displayName = displayName() }
        users[index].take(type)
        record(type, users[index], transaction: transaction)
        guard users[index].phase == .deleted else { return }
        if eventsLeft > 0 {
            // Seen at Okta: 24 to 39 ms after a deletion, in its transaction.
            now += Int64.random(in: 24_000_000...39_000_000, using: &random)
            users[index].login = users[index].id + EventMeaning.deletedLoginSuffix
            record(.updateProfile, users[index], transaction: transaction)
        }
        deletedIDs.append(users[index].id)
        users[index] = newcomer()
    }

    private mutating func record(_ type: LifecycleEventType, _ user: SimulatedUser, transaction: String) {
        eventsLeft -= 1
        let id = random.uuid(version: 1)
        let admin = random.identifier(prefix: "00u", length: 20)
        let text = LogEventText(
            id: id,
            type: type,
            user: user,
            published: now,
            fractionDigits: [3, 3, 3, 6, 9][Int.random(in: 0..<5, using: &random)],
            transaction: transaction,
            adminID: admin,
            hookID: hookID,
            isFromJob: random.happens(0.15),
            putsUserLast: random.happens(0.5)
        )
        pending.append(SimulatedEvent(id: id, type: type, userID: user.id, published: now, bytes: text.bytes))
    }

    private mutating func nextStep(of user: SimulatedUser) -> LifecycleEventType {
        let steps = user.nextSteps
        var draw = Int.random(in: 0..<steps.reduce(0) { $0 + $1.weight }, using: &random)
        for step in steps {
            if draw < step.weight { return step.type }
            draw -= step.weight
        }
        return .updateProfile
    }

    private mutating func newcomer() -> SimulatedUser {
        usersMade += 1
        let name = displayName()
        // Logins stay: a relay must key by id, and a rename of the person does not rename the account.
        let domain = random.happens(0.8) ? "example.com" : "contractors.example.net"
        let local = name.lowercased().split(separator: " ").joined(separator: ".")
        return SimulatedUser(
            id: random.identifier(prefix: "00u", length: 20),
            login: "\(local).\(usersMade)@\(domain)",
            displayName: name,
            phase: .absent
        )
    }

    private mutating func displayName() -> String {
        let first = Self.firstNames[Int.random(in: 0..<Self.firstNames.count, using: &random)]
        let last = Self.lastNames[Int.random(in: 0..<Self.lastNames.count, using: &random)]
        return "\(first) \(last)"
    }

    private static let firstNames = [
        "Ada", "Bela", "Carla", "Dmitri", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kaya", "Lars",
        "Mina", "Noor", "Olga", "Pavel", "Rosa", "Samir", "Tilda", "Viktor",
    ]
    private static let lastNames = [
        "Abel", "Brandt", "Castell", "Dorn", "Eriksen", "Falk", "Granger", "Hollis", "Ibsen", "Jansen",
        "Keller", "Lindt", "Moreau", "Novak", "Ortega", "Petrov", "Quist", "Rossi", "Silva", "Tanaka",
    ]
}

/// One event of the simulated org.
public struct SimulatedEvent: Sendable, Equatable {
    /// Its uuid.
    public let id: String
    public let type: LifecycleEventType
    public let userID: String
    /// Nanoseconds since 1970.
    public let published: Int64
    /// The LogEvent as JSON.
    public let bytes: [UInt8]
    /// Whether an earlier envelope carried it already.
    public var isRepeat = false

    public init(id: String, type: LifecycleEventType, userID: String, published: Int64, bytes: [UInt8]) {
        self.id = id
        self.type = type
        self.userID = userID
        self.published = published
        self.bytes = bytes
    }

    var repeated: SimulatedEvent {
        var copy = self
        copy.isRepeat = true
        return copy
    }
}
