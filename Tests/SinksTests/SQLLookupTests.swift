import Config
import GRDB
import Relay
import RelayTesting
import Rules
import Testing

@testable import Sinks

/// How a batch's statements find rows: by index, however large the tables are.
@Suite("SQL: how rows are found")
struct SQLLookupTests {
    private let plan = SQLHistory.plan(.mark, ofUsers: false)
    private let keys: [[RenderedValue]] = (1...1_000).map { [.string("u\(37 * $0)"), .string("t")] }

    /// Every second row lacks a column, so that the old rows matter.
    private var rows: [TableWrite.Row] {
        keys.enumerated().map { index, key in
            var values = RowValues(columns: plan.columns.count)
            values[2] = .string("s")
            if index.isMultiple(of: 2) { values[3] = .string("a") }
            return TableWrite.Row(key: key, values: values)
        }
    }

    /// As a batch of 1,000 memberships asks for them: with each key that of its user's tombstone.
    private var states: [String] {
        keys.map(RowKey.text) + keys.map { RenderedValue.string($0[0].jsonText).jsonText }
    }

    @Test(arguments: [false, true])
    func noStatementReadsAWholeTableOfPostgreSQL(_ isAnalysed: Bool) throws {
        let url = try PostgresCluster.shared().makeDatabase()
        let connection = try PostgresConnector(url: Secret(url)).connect()
        let statements = try PostgresStatements(
            plan, PostgresSchema(plan: plan, connection: connection).prepare())
        let count = 50_000
        let fill = [
            "ALTER TABLE things SET (autovacuum_enabled = false)",
            "ALTER TABLE things_relay SET (autovacuum_enabled = false)",
            "INSERT INTO things SELECT 'u' || n, 't', 's', 'a', 'b' FROM generate_series(1, \(count)) AS n",
            """
            INSERT INTO things_relay
            SELECT '["u' || n || '","t"]', 'u' || n, '{"deletes":[]}' FROM generate_series(1, \(count)) AS n
            """, isAnalysed ? "ANALYZE" : "SELECT 1",
        ]
        try connection.run(fill.map { PostgresStatement($0) })
        let subjects = (1...20).map { "u\($0)" }
        let reads = [
            statements.readStates(keys: states), statements.readStates(subjects: subjects),
            statements.read(keys),
        ]
        for statement in reads + statements.write(rows) {
            let answer = try connection.run([
                PostgresStatement("EXPLAIN \(statement.sql)", statement.parameters)
            ])
            let steps = (answer.first ?? []).compactMap { $0.first.flatMap(\.self) }
            #expect(steps.contains { $0.contains("Index Scan") }, "\(steps)")
            #expect(!steps.contains { $0.contains("Seq Scan") }, "\(steps)")
        }
    }

    @Test func whatTheKeysAndTheSubjectsBothNameIsReadOnce() throws {
        let url = try PostgresCluster.shared().makeDatabase()
        let connection = try PostgresConnector(url: Secret(url)).connect()
        let statements = try PostgresStatements(
            plan, PostgresSchema(plan: plan, connection: connection).prepare())
        let session = PostgresSession(connection: connection, statements: statements)
        let kept = [
            StoredState(key: #"["u","1"]"#, subject: "u", state: "{}"),
            StoredState(key: #"["u","2"]"#, subject: "u", state: "{}"),
            StoredState(key: #"["v","1"]"#, subject: "v", state: "{}"),
            StoredState(key: #"["w","1"]"#, subject: nil, state: "{}"),
        ]
        try connection.run([statements.writeStates(kept)])
        func read(_ keys: [String], _ subjects: [String]) throws -> [StoredState] {
            defer { session.rollback() }
            return try session.begin(keys: keys, subjects: subjects).sorted { $0.key < $1.key }
        }
        #expect(try read([kept[0].key, kept[3].key], ["u"]) == [kept[0], kept[1], kept[3]])
        #expect(try read([kept[2].key], []) == [kept[2]])
        #expect(try read([], ["v"]) == [kept[2]])
        #expect(try read([], []).isEmpty)
    }

    @Test func noStatementReadsAWholeTableOfSQLite() throws {
        let bench = try SQLiteBench(plan)
        let text = SQLiteText(
            plan: plan, ddl: TableDDL(plan: plan, dialect: .sqlite),
            columns: plan.columns.map {
                ExistingTable.Column(
                    name: $0.name, type: "TEXT", standard: nil, isNotNull: false, isAutomatic: false,
                    isGenerated: false)
            })
        let parts = try #require(text.parts(carrying: plan.columns.indices.map { $0 > 1 }))
        let statements = [
            text.readState("key"), text.readState("subject"), text.read, text.delete, text.write,
            try #require(parts.update),
        ]
        try bench.queue.writeWithoutTransaction { database in
            for statement in statements {
                let prepared = try database.makeStatement(sql: "EXPLAIN QUERY PLAN \(statement)")
                prepared.setUncheckedArguments(StatementArguments())
                let steps = try Row.fetchAll(prepared).map { $0["detail"] as String }
                #expect(steps.contains { $0.hasPrefix("SEARCH") }, "\(steps)")
                #expect(!steps.contains { $0.hasPrefix("SCAN things") }, "\(steps)")
            }
        }
    }
}
