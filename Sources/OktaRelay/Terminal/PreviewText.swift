import Relay

/// What a sink would get, for a person.
struct PreviewText {
    /// Characters of a value that are shown.
    private static let cellMax = 72

    let text: String

    init(sink: String, _ answer: SinkPreviews.Answer) {
        switch answer {
        case .success(.row(let row)): text = "\(sink): \(Self.sentence(row))\n\(Self.columns(row))"
        case .success(.request(let request)): text = "\(sink): one request\n\(Self.lines(request))"
        case .success(.nothing(let outcome)): text = "\(sink): \(Self.sentence(outcome))"
        case .failure(let error): text = "\(sink): gets nothing: \(error.reason)"
        }
    }

    private static func sentence(_ row: RowPreview) -> String {
        let table = TextTable.printable(row.table)
        if row.isForAllRowsOfUser {
            return row.action == .mark
                ? "all rows of the user in \(table) are marked" : "all rows of the user go from \(table)"
        }
        return switch row.action {
        case .insert: "a row is inserted into \(table), unless it is there"
        case .upsert: "a row of \(table) is inserted or changed"
        case .mark: "a row of \(table) is marked as deleted"
        case .delete: "a row goes from \(table)"
        }
    }

    private static func columns(_ row: RowPreview) -> String {
        let notCarried =
            row.action == .insert ? "not carried: NULL or the default" : "not carried: keeps its value"
        var table = TextTable([.left("  COLUMN"), .left("VALUE"), .left("NOTE")])
        for column in row.columns {
            let notes = [
                column.isKey ? "key" : nil, column.isInsertOnly ? "new rows only" : nil,
                column.value == nil ? notCarried : nil,
            ]
            table.add(
                "  " + column.name, column.value.map(shortened) ?? "",
                notes.compactMap(\.self).joined(separator: ", "))
        }
        return row.columns.isEmpty ? "" : table.text()
    }

    /// A whole LogEvent in a cell would push the rest off the screen; `--json` has all of it.
    private static func shortened(_ value: [UInt8]) -> String {
        let text = String(decoding: value, as: UTF8.self)
        return text.count <= cellMax ? text : "\(text.prefix(cellMax - 1))…"
    }

    private static func lines(_ request: RequestPreview) -> String {
        var lines = ["\(request.method) \(request.url)"]
        lines += request.headers.map { "\($0.name): \($0.value)" }
        if let body = request.body {
            lines += [""] + String(decoding: body, as: UTF8.self).split(separator: "\n").map(String.init)
        }
        return lines.map { "  " + TextTable.printable($0) }.joined(separator: "\n")
    }

    private static func sentence(_ outcome: Receipt.Outcome) -> String {
        switch outcome {
        case .skipped(let reason): "skipped: \(reason)"
        case .rejected(let reason): "a dead letter: \(reason)"
        case .superseded: "superseded: a newer event was there"
        case .retry(_, let reason): "tried again: \(reason)"
        case .deferred: "sent when its turn has come"
        case .delivered: "nothing is left to do"
        }
    }
}
