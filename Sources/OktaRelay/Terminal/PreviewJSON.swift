import JSON
import Relay

/// What a sink would get, for scripts: the members `row`, `request`, or `outcome` with its `reason`.
enum PreviewJSON {
    static func write(_ answer: SinkPreviews.Answer, to writer: inout JSONWriter) {
        switch answer {
        case .success(.row(let row)):
            writer.name("row")
            writer.object { write(row, to: &$0) }
        case .success(.request(let request)):
            writer.name("request")
            writer.object { write(request, to: &$0) }
        case .success(.nothing(let outcome)): write(outcome, to: &writer)
        case .failure(let error): member("misconfigured", error.reason, to: &writer)
        }
    }

    private static func write(_ row: RowPreview, to writer: inout JSONWriter) {
        writer.member("table", row.table)
        writer.member("action", row.action.rawValue)
        writer.member("allRowsOfUser", row.isForAllRowsOfUser)
        writer.name("columns")
        writer.array { list in
            for column in row.columns {
                list.object { object in
                    object.member("name", column.name)
                    object.member("key", column.isKey)
                    object.member("newRowsOnly", column.isInsertOnly)
                    object.member("carried", column.value != nil)
                    if let value = column.value { member("value", value, to: &object) }
                }
            }
        }
    }

    private static func write(_ request: RequestPreview, to writer: inout JSONWriter) {
        writer.member("method", request.method)
        writer.member("url", request.url)
        writer.name("headers")
        writer.array { list in
            for header in request.headers {
                list.object { object in
                    object.member("name", header.name)
                    object.member("value", header.value)
                }
            }
        }
        if let body = request.body { member("body", body, to: &writer) }
    }

    private static func write(_ outcome: Receipt.Outcome, to writer: inout JSONWriter) {
        switch outcome {
        case .skipped(let reason): member("skipped", reason, to: &writer)
        case .rejected(let reason): member("rejected", reason, to: &writer)
        case .retry(_, let reason): member("retry", reason, to: &writer)
        case .superseded: writer.member("outcome", "superseded")
        case .deferred: writer.member("outcome", "deferred")
        case .delivered: writer.member("outcome", "delivered")
        }
    }

    private static func member(_ outcome: String, _ reason: String, to writer: inout JSONWriter) {
        writer.member("outcome", outcome)
        writer.member("reason", reason)
    }

    /// JSON as JSON, and anything else as a string.
    private static func member(_ name: String, _ bytes: [UInt8], to writer: inout JSONWriter) {
        if (try? JSONDocument(bytes)) != nil {
            writer.member(name, raw: bytes)
        } else {
            writer.member(name, String(decoding: bytes, as: UTF8.self))
        }
    }
}
