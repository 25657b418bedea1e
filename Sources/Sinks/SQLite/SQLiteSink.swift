import Config
import GRDB
import JSON
public import Relay
public import Rules

/// A table in a SQLite file.
///
/// The actor runs on its file's own thread, so that no call of SQLite blocks a thread that tasks share. Sinks
/// on one file share the thread and the connection.
public actor SQLiteSink: RowBrowsing, DeliveryPreviewing {
    public nonisolated let name: String
    public nonisolated let limits = SinkLimits(
        batchEventsMax: 1_000, concurrency: 1, readiesNextBatch: true, batchInterval: .milliseconds(50),
        foldsUsers: true, keepsState: false)
    private let plan: TablePlan
    private let file: SQLiteFile
    private nonisolated let thread: SerialThread
    private var prepared: Prepared?
    private var isShutDown = false

    /// The statements for the table, as it was found over a connection.
    private struct Prepared {
        let statements: SQLiteStatements
        let queue: DatabaseQueue
    }

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
        prepared = nil
        try withTable { _ in }
    }

    public func deliver(_ batch: [Delivery]) throws(SinkError) -> [Receipt] {
        if batch.isEmpty { return [] }
        let (plan, name) = (plan, name)
        return try withTable { session throws(TableFailure) in
            do throws(SinkError) {
                return try TableDelivery(plan: plan, sink: name, session: session).deliver(batch)
            } catch {
                throw .sink(error)
            }
        }
    }

    public nonisolated func operation(of event: Event) -> Operation { plan.operation(of: event) }

    public nonisolated func userOperation(of event: Event) -> Operation { plan.userOperation(of: event) }

    public nonisolated func preview(_ delivery: Delivery) -> DeliveryPreview {
        plan.preview(delivery, sink: name)
    }

    /// Looks whether the file could be used and whether the table fits; creates nothing.
    public func probe() throws(SinkError) {
        if isShutDown { throw .unavailable(reason: "the sink is shut down") }
        let open = file.open
        do throws(TableFailure) {
            try file.refuseLeftLog()
        } catch {
            throw error.sinkError
        }
        try SQLiteProbe(plan: plan, path: file.path).run(open)
    }

    public func shutdown() {
        guard !isShutDown else { return }
        isShutDown = true
        prepared = nil
        file.release()
    }

    public func rows(after: String?, limit: Int) throws(SinkError) -> RowPage {
        let key = after.flatMap { RowKey.values($0, count: plan.key.count) }
        if after != nil, key == nil {
            throw .misconfigured(reason: "\"after\" is not the \"next\" of a page")
        }
        return try withTable { session throws(TableFailure) in try session.page(after: key, limit: limit) }
    }

    // MARK: - The connection

    /// Runs the body with the connection and the table's statements; the table is looked at, and made to fit,
    /// where this connection has not been used with it yet.
    ///
    /// Where it has, the session follows what became of the table since.
    private func withTable<Value>(
        _ body: (SQLiteSession) throws(TableFailure) -> Value
    ) throws(SinkError) -> Value {
        let (plan, path, known) = (plan, file.path, prepared)
        let (value, found) = try withDatabase { database, queue throws(TableFailure) in
            let statements: SQLiteStatements
            if let known, known.queue === queue {
                statements = known.statements
            } else {
                let table = try SQLiteSchema(plan: plan, database: database, path: path).prepare()
                do throws(SinkError) {
                    statements = try SQLiteStatements(plan, table)
                } catch {
                    throw .sink(error)
                }
            }
            let session = SQLiteSession(database: database, statements: statements, path: path)
            return (try body(session), Prepared(statements: session.statements, queue: queue))
        }
        prepared = found
        return value
    }

    /// Runs the body with the connection.
    ///
    /// An error that may be the connection's makes the next call open a new one; other sinks on the file do
    /// the same then.
    private func withDatabase<Value>(
        _ body: (Database, DatabaseQueue) throws(TableFailure) -> Value
    ) throws(SinkError) -> Value {
        if isShutDown { throw .unavailable(reason: "the sink is shut down") }
        do throws(TableFailure) {
            let queue = try file.connection(createsMissing: plan.createsMissing)
            let result: Result<Value, TableFailure> = queue.unsafeReentrantWrite { database in
                do throws(TableFailure) {
                    return .success(try body(database, queue))
                } catch {
                    return .failure(error)
                }
            }
            let value = try result.get()
            guard file.open === queue else {
                throw .sink(.unavailable(reason: "\(file.path) was exchanged while it was written to"))
            }
            return value
        } catch {
            prepared = nil
            if error.mayBeConnections(path: file.path) { file.discardConnection() }
            throw error.sinkError
        }
    }
}

/// Pages of a table's rows as JSON.
struct SQLiteRows {
    let statements: SQLiteStatements

    /// - Parameter after: The key of the row to start behind.
    func page(_ database: Database, after: [RenderedValue]?, limit: Int) throws -> RowPage {
        let plan = statements.plan
        let limit = min(max(limit, 1), 1_000)
        var statement = try BoundStatement(database, statements.page(isFirst: after == nil))
        if let after { statements.bind(key: after, to: &statement) }
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
