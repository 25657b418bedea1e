public import Config
public import JSON
public import Relay
import Rules

/// What a sink would do with one event, worked out without connecting to anything, for a person to see.
///
/// The sink is taken to have heard nothing of the event's user before. Nothing in here is a secret: headers
/// that may carry one are `***`.
public enum SinkPreview: Sendable {
    /// A change of a table's row: its columns in order, each with its value as JSON.
    case row(table: String, operation: String, columns: [(name: String, value: String)])
    /// An HTTP request; the body is as it would be sent.
    case request(
        method: String, url: String, headers: [(name: String, value: String)], body: [UInt8]?)
    /// Nothing is written or sent.
    case nothing(reason: String)

    /// Works it out for one sink and the rule that chose it.
    public init(_ sink: SinkConfiguration, event: Event, rule: String) {
        let delivery = Delivery(offset: .zero, event: event, rule: rule, attempt: 1)
        switch sink.kind {
        case .sqlite(let sqlite): self = Self.row(sqlite.table, delivery, sink.name)
        case .postgresql(let postgresql): self = Self.row(postgresql.table, delivery, sink.name)
        case .http(let http): self = Self.request(http, delivery, sink.name)
        }
    }

    // MARK: - Making

    private static func row(_ table: TableConfiguration, _ delivery: Delivery, _ sink: String) -> SinkPreview
    {
        let plan: TablePlan
        do {
            plan = try TablePlan(table)
        } catch {
            return .nothing(reason: error.reason)
        }
        do {
            let row = try plan.row(for: delivery, sink: sink)
            let columns = plan.columns.indices.compactMap { index in
                row.values[index].map { (name: plan.columns[index].name, value: $0.jsonText) }
            }
            let change = row.key == nil ? "delete all rows of the user" : row.operation.rawValue
            return .row(table: plan.displayName, operation: change, columns: columns)
        } catch {
            return .nothing(reason: Self.reason(of: error.outcome))
        }
    }

    private static func request(
        _ http: HTTPSinkConfiguration, _ delivery: Delivery, _ sink: String
    ) -> SinkPreview {
        switch HTTPMapping(sink: sink, configuration: http).plan(delivery) {
        case .settled(let receipt): return .nothing(reason: reason(of: receipt.outcome))
        case .send(let step):
            var secretHeader: String?
            if case .header(let name, _) = http.authentication { secretHeader = name }
            let headers = step.request.headers.map { header in
                let isSecret =
                    mayBeSecret(header.name) || header.name.lowercased() == secretHeader?.lowercased()
                return (name: header.name, value: isSecret ? "***" : header.value)
            }
            return .request(
                method: step.request.method, url: step.request.url, headers: headers, body: step.request.body)
        }
    }

    private static func reason(of outcome: Receipt.Outcome) -> String {
        switch outcome {
        case .delivered: "it changes nothing"
        case .superseded: "superseded"
        case .skipped(let reason): "skipped: \(reason)"
        case .retry(_, let reason): reason
        case .rejected(let reason): "dead letter: \(reason)"
        }
    }

    /// Whether a header's name sounds like a secret; too many are better than one too few.
    private static func mayBeSecret(_ name: String) -> Bool {
        let name = name.lowercased()
        guard name != "idempotency-key" else { return false }
        return ["auth", "key", "token", "secret", "password", "cookie", "signature"].contains {
            name.contains($0)
        }
    }
}

// MARK: - For people and for scripts

extension SinkPreview {
    /// Some lines of text.
    public var lines: [String] {
        switch self {
        case .nothing(let reason): return ["nothing (\(reason))"]
        case .row(let table, let operation, let columns):
            return ["\(operation) in table \(table)"] + columns.map { "  \($0.name) = \($0.value)" }
        case .request(let method, let url, let headers, let body):
            let head = ["\(method) \(url)"] + headers.map { "  \($0.name): \($0.value)" }
            return head + (body.map { ["", "  \(String(decoding: $0, as: UTF8.self))"] } ?? [])
        }
    }

    /// Writes the members of an object.
    public func write(to writer: inout JSONWriter) {
        switch self {
        case .nothing(let reason): writer.member("nothing", reason)
        case .row(let table, let operation, let columns):
            writer.member("table", table)
            writer.member("operation", operation)
            writer.name("row")
            writer.object { row in
                for column in columns { row.member(column.name, raw: column.value.utf8) }
            }
        case .request(let method, let url, let headers, let body):
            writer.member("method", method)
            writer.member("url", url)
            writer.name("headers")
            writer.object { list in for header in headers { list.member(header.name, header.value) } }
            if let body { writer.member("body", String(decoding: body, as: UTF8.self)) }
        }
    }
}
