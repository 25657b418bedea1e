import Config
import JSON
public import Relay
public import Rules

/// A table in a PostgreSQL database.
///
/// The actor owns its one connection and runs on a thread of its own, so that no call of libpq blocks a
/// thread that tasks share. A lost connection is made anew by the next call.
public actor PostgreSQLSink: RowBrowsing, DeliveryPreviewing {
    public nonisolated let name: String
    public nonisolated let limits = SinkLimits(
        batchEventsMax: 1_000, concurrency: 1, readiesNextBatch: true, batchInterval: .milliseconds(50),
        foldsUsers: true, keepsState: false)
    private let plan: TablePlan
    private let connector: PostgresConnector
    private nonisolated let thread: SerialThread
    private var open: Open?
    private var isShutDown = false

    /// A connection, and the statements for the table as it found it.
    private struct Open {
        let connection: PostgresConnection
        let statements: PostgresStatements
    }

    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    init(name: String, plan: TablePlan, url: Secret) {
        self.name = name
        self.plan = plan
        connector = PostgresConnector(url: url)
        thread = SerialThread(name: "postgresql sink")
    }

    public func prepare() throws(SinkError) {
        open = nil
        _ = try attempt { () throws(TableFailure) in try connected() }
    }

    public func deliver(_ batch: [Delivery]) throws(SinkError) -> [Receipt] {
        if batch.isEmpty { return [] }
        let wasOpen = open != nil
        do throws(SinkError) {
            return try write(batch)
        } catch {
            // The table may have been changed since it was looked at: once more, as it is now.
            guard wasOpen, case .misconfigured = error else { throw error }
            return try write(batch)
        }
    }

    private func write(_ batch: [Delivery]) throws(SinkError) -> [Receipt] {
        try attempt { () throws(TableFailure) in
            let open = try connected()
            let session = PostgresSession(connection: open.connection, statements: open.statements)
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

    /// Connects anew and looks whether the table fits; creates nothing.
    public func probe() throws(SinkError) {
        if isShutDown { throw .unavailable(reason: "the sink is shut down") }
        try attempt { () throws(TableFailure) in
            try PostgresSchema(plan: plan, connection: try connector.connect()).check()
        }
    }

    public func shutdown() {
        isShutDown = true
        open = nil
    }

    public func rows(after: String?, limit: Int) throws(SinkError) -> RowPage {
        let limit = min(max(limit, 1), 1_000)
        let key = after.flatMap { RowKey.values($0, count: plan.key.count) }
        if after != nil, key == nil {
            throw .misconfigured(reason: "\"after\" is not the \"next\" of a page")
        }
        return try attempt { () throws(TableFailure) in
            let open = try connected()
            do throws(PostgresError) {
                let answer = try open.connection.run([open.statements.page(after: key, limit: limit + 1)])
                return page(answer.first ?? [], limit: limit)
            } catch {
                throw TableFailure(postgres: error)
            }
        }
    }

    private func page(_ rows: [[String?]], limit: Int) -> RowPage {
        var writer = JSONWriter()
        writer.array { array in
            for row in rows.prefix(limit) {
                array.object { object in
                    for (column, value) in zip(plan.columns, row) {
                        object.member(column.name, raw: (value ?? "null").utf8)
                    }
                }
            }
        }
        let last = rows.count > limit ? rows[limit - 1].suffix(plan.key.count) : nil
        let next = last.map { RowKey.text($0.map { .string($0 ?? "") }) }
        return RowPage(rows: writer.bytes, next: next)
    }

    private func connected() throws(TableFailure) -> Open {
        if isShutDown { throw .sink(.unavailable(reason: "the sink is shut down")) }
        if let open, open.connection.isUsable { return open }
        open = nil
        let connection = try connector.connect()
        let table = try PostgresSchema(plan: plan, connection: connection).prepare()
        do throws(SinkError) {
            let made = Open(connection: connection, statements: try PostgresStatements(plan, table))
            open = made
            return made
        } catch {
            throw .sink(error)
        }
    }

    /// After a failure the connection is dropped where it is lost, and where the table may have changed.
    private func attempt<Value>(_ body: () throws(TableFailure) -> Value) throws(SinkError) -> Value {
        do throws(TableFailure) {
            return try body()
        } catch {
            open = nil
            throw error.sinkError
        }
    }
}
