/// What reading a whole journal has found.
public struct JournalVerification: Sendable, Equatable {
    /// What it is at.
    public enum Stage: Sendable, Equatable {
        /// Whether each value of a table is what its column says, by the table's name.
        case table(String)
        /// With the share of them that was read, 0 to 1.
        case entries(Double)
        /// That nothing refers to what is not there, and the counts.
        case references
        /// SQLite's own check of the whole file, which tells of no progress.
        case structure
    }

    /// More of them are counted and not kept.
    static let problemsMax = 100

    public private(set) var entries = 0
    public private(set) var deadLetters = 0
    public private(set) var users = 0
    /// What is wrong, in words; no user data.
    public private(set) var problems: [String] = []
    public private(set) var problemCount = 0

    public var isSound: Bool { problemCount == 0 }

    mutating func add(_ problem: String) {
        problemCount += 1
        if problems.count < Self.problemsMax { problems.append(problem) }
    }

    mutating func read(entries: Int = 0, deadLetters: Int = 0, users: Int = 0) {
        self.entries += entries
        self.deadLetters += deadLetters
        self.users += users
    }
}
