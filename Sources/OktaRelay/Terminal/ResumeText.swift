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

/// What a resume would let go on, or a pause would hold, for a person.
struct WaitingText {
    let text: String

    /// - Parameter answer: The admin API's to a resume that is only tried.
    init(resuming sink: String, _ answer: JSONValue) {
        guard let hold = answer["was"]?.string else {
            text = "\(sink) is not held"
            return
        }
        let effect = hold == SinkHold.Kind.tripped.rawValue ? "pass whatever" : "be counted by"
        text = Self.text(
            "\(sink) is \(hold): \(TextTable.printable(answer["reason"]?.string ?? "-"))",
            "would \(effect) its limits", answer)
    }

    /// - Parameter answer: The admin API's to a pause that is only tried.
    init(pausing sink: String, _ answer: JSONValue) {
        let hold = answer["was"]?.string
        text = Self.text(
            hold.map { "\(sink) is \($0) already, and would be paused" } ?? "\(sink) would be paused",
            "would wait, with what comes", answer)
    }

    private static func text(_ title: String, _ effect: String, _ answer: JSONValue) -> String {
        let (waiting, lookedAt) = (answer["waiting"]?.int ?? 0, answer["lookedAt"]?.int ?? 0)
        var lines = [title, "\(effect): \(Wording.count(waiting, "event"))"]
        for (operation, count) in answer["operations"]?.members.map({ $0 }) ?? [] {
            lines.append("  \(operation.string ?? ""): \(count.int ?? 0)")
        }
        if lookedAt < waiting { lines.append("only the oldest \(lookedAt) of them were looked at") }
        return lines.joined(separator: "\n")
    }
}
