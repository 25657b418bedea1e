import Config
import Relay
import Rules

@testable import Sinks

/// Random histories of rows, and a plain model of what they come to: a function of the set of events, with no
/// order of arrival in it.
struct SQLHistory {
    let plan: TablePlan
    var generator: SeededGenerator
    var rows: [TableRow] = []

    /// Columns: two keys, a life column and two others.
    static func plan(_ onDelete: TableConfiguration.OnDelete, ofUsers: Bool) -> TablePlan {
        func column(_ name: String) -> TablePlan.Column {
            TablePlan.Column(name: name, source: .standard(.enriched), type: .text, isInsertOnly: false)
        }
        return TablePlan(
            schema: nil, name: "things", mode: .upsert,
            columns: [column("user"), column("thing"), column("status"), column("a"), column("b")],
            key: [0, 1], operations: ofUsers ? nil : [:], createsMissing: true, onDelete: onDelete,
            lifeColumns: onDelete == .mark ? [2] : [])
    }

    /// - Parameter users: How many; each has three keys, each of which about eight events.
    init(_ plan: TablePlan, users: Int, seed: UInt64) {
        self.plan = plan
        generator = SeededGenerator(seed: seed)
        for user in 0..<users {
            for thing in 0..<3 {
                for _ in 0..<generator.below(9) { rows.append(row("u\(user)", "t\(thing)")) }
            }
            if plan.operations != nil, generator.below(2) == 0 {
                for _ in 0...generator.below(2) { rows.append(row("u\(user)", nil)) }
            }
        }
    }

    private mutating func row(_ user: String, _ thing: String?) -> TableRow {
        let operations: [Operation] = [.create, .update, .update, .deactivate, .reactivate, .delete]
        let operation = thing == nil ? .delete : operations[generator.below(operations.count)]
        let id = "\(user)-\(thing ?? "all")-\(rows.count)"
        var values = RowValues(columns: plan.columns.count)
        // Few instants, so that stamps tie and their ranks decide.
        let stamp = Stamp(published: Int64(generator.below(12)), rank: operation.rank, eventID: id)
        if operation == .delete {
            values[2] = .string("DELETED \(id)")
        } else if generator.below(2) == 0 {
            values[2] = .string("alive \(id)")
        }
        // As in the default tables, every event carries some column.
        for column in 3...4 where column == 3 || generator.below(2) == 0 {
            values[column] = generator.below(5) == 0 ? .null : .string("\(column) \(id)")
        }
        let key = thing.map { [RenderedValue.string(user), .string($0)] }
        return TableRow(key: key, subject: user, stamp: stamp, operation: operation, values: values)
    }

    /// All rows in random order, some of them twice, in batches of random size.
    mutating func batches() -> [[TableRow]] {
        var shuffled = rows + rows.filter { _ in generator.below(4) == 0 }
        shuffled.shuffle(using: &generator)
        var batches: [[TableRow]] = []
        while !shuffled.isEmpty {
            let count = min(1 + generator.below(20), shuffled.count)
            batches.append(Array(shuffled.prefix(count)))
            shuffled.removeFirst(count)
        }
        return batches
    }

    // MARK: - The model

    /// Per row key, the columns that are not NULL.
    var expected: [String: [Int: String]] {
        let byKey = Dictionary(grouping: rows.filter { $0.key != nil }) { RowKey.text($0.key ?? []) }
        var expected: [String: [Int: String]] = [:]
        for (key, own) in byKey {
            let ofUser = rows.filter { $0.key == nil && $0.subject == own.first?.subject }
            expected[key] = contents(own, ofUser)
        }
        return expected
    }

    /// Nil where there is no row.
    private func contents(_ own: [TableRow], _ ofUser: [TableRow]) -> [Int: String]? {
        let deletions = (own + ofUser).filter { $0.operation == .delete }
        let created = own.filter { $0.operation == .create }.compactMap(\.stamp).max()
        let buried = deletions.compactMap(\.stamp).filter { stamp in created.map { stamp < $0 } ?? false }
            .max()
        let last = deletions.filter { row in
            guard let created, let stamp = row.stamp else { return true }
            return created < stamp
        }.max { ($0.stamp ?? Self.never) < ($1.stamp ?? Self.never) }
        if last != nil, plan.onDelete == .delete { return nil }
        var contents: [Int: String] = [:]
        for column in plan.changing {
            let isHidden = plan.isHiddenByDeletion(column)
            if isHidden, let last {
                contents[column] = last.values[column].flatMap(Self.text)
                continue
            }
            let winner = own.filter { row in
                guard let stamp = row.stamp, row.values[column] != nil else { return false }
                if isHidden, row.operation == .delete { return false }
                return buried.map { $0 < stamp } ?? true
            }.max { ($0.stamp ?? Self.never) < ($1.stamp ?? Self.never) }
            contents[column] = winner?.values[column].flatMap(Self.text)
        }
        return contents
    }

    private static let never = Stamp(published: .min, rank: 0, eventID: "")

    static func text(_ value: RenderedValue) -> String? {
        if case .string(let text) = value { return text }
        return nil
    }
}

extension SeededGenerator {
    /// 0 up to, without, `bound`.
    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
}
