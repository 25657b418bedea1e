import JSON
import Relay

/// What a resume did, for a person.
struct ResumeText {
    let text: String

    /// - Parameter answer: The admin API's to a resume.
    init(_ sink: String, _ answer: JSONValue) {
        guard let hold = answer["was"]?.string else {
            text = "\(sink) was not held"
            return
        }
        let isExempt = answer["exemptTo"].map { !$0.isNull } ?? false
        let waited = isExempt ? "passes whatever its limits" : "is counted by its limits"
        text = "\(sink) was \(hold), and goes on; what waited \(waited)"
    }
}

/// What a resume would let go on, for a person.
struct WaitingText {
    let text: String

    /// - Parameter answer: The admin API's to a resume that is only tried.
    init(_ sink: String, _ answer: JSONValue) {
        guard let hold = answer["was"]?.string else {
            text = "\(sink) is not held"
            return
        }
        let (waiting, lookedAt) = (answer["waiting"]?.int ?? 0, answer["lookedAt"]?.int ?? 0)
        var lines = ["\(sink) is \(hold): \(TextTable.printable(answer["reason"]?.string ?? "-"))"]
        let effect = hold == SinkHold.Kind.tripped.rawValue ? "pass whatever" : "be counted by"
        lines.append("would \(effect) its limits: \(Wording.count(waiting, "event"))")
        for (operation, count) in answer["operations"]?.members.map({ $0 }) ?? [] {
            lines.append("  \(operation.string ?? ""): \(count.int ?? 0)")
        }
        if lookedAt < waiting { lines.append("only the oldest \(lookedAt) of them were looked at") }
        text = lines.joined(separator: "\n")
    }
}
