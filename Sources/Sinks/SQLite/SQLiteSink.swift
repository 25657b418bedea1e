import Config
import GRDB
import JSON
public import Relay
public import Rules

/// A table in a SQLite file.
///
/// The actor runs on its file's own thread, so that no call of SQLite blocks Swift's shared pool. Sinks on
/// one file share the thread and the connection.
public actor SQLiteSink: RowBrowsing, DeliveryPreviewing {
    public nonisolated let name: String
    public nonisolated let limits = SinkLimits(
        batchEventsMax: 1_000, concurrency: 1, readiesNextBatch: true, foldsUsers: true, keepsState: false)
    private let plan: TablePlan
    private let file: SQLiteFile
    private nonisolated let thread: SerialThread
    private var statements: SQLiteStatements?
    private var isShutDown = false

    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init(name: String, plan: TablePlan, file: SQLiteFile) throws(SinkError) {
        if let schema = plan.schema, schema != "main" {
            throw .misconfigured(reason: "table \(plan.displayName): SQLite has no schema \"\(schema)\"")
        }
        self.name = name
        self.plan = plan
        self.file = file
        thread = file.thread
        file.retain()
    }

    public func prepare() throws(SinkError) {
        let (plan, path) = (plan, file.path)
        let table = try withDatabase { database throws(TableFailure) in
            try SQLiteSchema(plan: plan, database: database, path: path).prepare()
        }
        statements = try SQLiteStatements(plan, table)
    }

    public func deliver(_ batch: [Delivery]) throws(SinkError) -> [Receipt] {
        if batch.isEmpty { return [] }
        let statements = try prepared()
        let (plan, name, path) = (plan, name, file.path)
        return try withDatabase { database throws(TableFailure) in
            let session = SQLiteSession(database: database, statements: statements, path: path)
            do throws(SinkError) {
                return try TableDelivery(plan: plan, sink: name, session: session).deliver(batch)
            } catch {
                throw .sink(error)
            }
        }
    }

    public nonisolated func operation(of event: Event) -> Operation { plan.operation(of: event) }

    public nonisolated func preview(_ delivery: Delivery) -> DeliveryPreview {
        plan.preview(delivery, sink: name)
    }

    /// Looks whether the file could be used and whether the table fits; creates nothing.
    public func probe() throws(SinkError) {
        if isShutDown { throw .unavailable(reason: "the sink is shut down") }
        try SQLiteProbe(plan: plan, path: file.path).run(file.open)
    }

    public func shutdown() {
        guard !isShutDown else { return }
        isShutDown = true
        statements = nil
        file.release()
    }

    public func rows(after: String?, limit: Int) throws(SinkError) -> RowPage {
        let statements = try prepared()
        let path = file.path
        return try withDatabase { database throws(TableFailure) in
            do {
                return try SQLiteRows(statements: statements).page(database, after: after, limit: limit)
            } catch let error as SinkError {
                throw .sink(error)
            } catch {
                throw TableFailure(sqlite: error, path: path)
            }
        }
    }

    private func prepared() throws(SinkError) -> SQLiteStatements {
        if statements == nil { try prepare() }
        guard let statements else {
            throw .unavailable(reason: "table \(plan.displayName) is not prepared")
        }
        return statements
    }

    /// Runs the body with the connection.
    ///
    /// An error that may be the connection's makes the next call open a new one; other sinks on the file do
    /// the same then.
    private func withDatabase<Value>(
        _ body: (Database) throws(TableFailure) -> Value
    ) throws(SinkError) -> Value {
        if isShutDown { throw .unavailable(reason: "the sink is shut down") }
        do throws(TableFailure) {
            let queue = try file.connection(createsMissing: plan.createsMissing)
            let result: Result<Value, TableFailure> = queue.unsafeReentrantWrite { database in
                do throws(TableFailure) {
                    return .success(try body(database))
                } catch {
                    return .failure(error)
                }
            }
            return try result.get()
        } catch {
            statements = nil
            switch error {
            case .sink(let error): throw error
            case .data(let reason): throw .misconfigured(reason: reason)
            case .conflict(let reason): throw .unavailable(reason: reason)
            }
        }
    }
}

/// Pages of a table's rows as JSON.
struct SQLiteRows {
    let statements: SQLiteStatements

    func page(_ database: Database, after: String?, limit: Int) throws -> RowPage {
        let plan = statements.plan
        let limit = min(max(limit, 1), 1_000)
        var statement = try BoundStatement(database, statements.page(isFirst: after == nil))
        if let after {
            guard let key = RowKey.values(after, count: plan.key.count) else {
                throw SinkError.misconfigured(reason: "\"after\" is not the \"next\" of a page")
            }
            statements.bind(key: key, to: &statement)
        }
        statement.bind(Int64(limit) + 1)
        var rows: [[RenderedValue]] = []
        while try statement.nextRow() {
            rows.append(plan.columns.indices.map { statements.value(statement.value($0), $0) })
        }
        var writer = JSONWriter()
        writer.array { array in
            for row in rows.prefix(limit) {
                array.object { object in
                    for (index, column) in plan.columns.enumerated() {
                        object.name(column.name)
                        row[index].append(to: &object)
                    }
                }
            }
        }
        let last = rows.count > limit ? rows[limit - 1] : nil
        let next = last.map { row in RowKey.text(plan.key.map { row[$0] }) }
        return RowPage(rows: writer.bytes, next: next)
    }
}
