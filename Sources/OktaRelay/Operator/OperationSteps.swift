import JSON
import Relay

/// A long operation on many records, which the admin API does in steps.
struct OperationSteps {
    /// What all steps together did.
    struct Total: Equatable {
        var done = 0
        var duplicates = 0
        /// By the reason.
        var kept: [String: Int] = [:]
        var replay: String?

        var keptCount: Int { kept.values.reduce(0, +) }

        mutating func add(_ step: JSONValue) {
            done += step["done"]?.int ?? 0
            duplicates += step["duplicates"]?.int ?? 0
            for reason in step["kept"]?.elements.map({ $0 }) ?? [] {
                kept[reason["reason"]?.string ?? "", default: 0] += reason["count"]?.int ?? 0
            }
            replay = step["replay"]?.string ?? replay
        }
    }

    let link: OperatorLink
    let path: String
    /// For the progress bar.
    let label: String
    let isDryRun: Bool

    /// Takes step after step until all is done.
    ///
    /// - Parameter filter: Writes the members that say which records are meant.
    func run(_ filter: (inout JSONWriter) -> Void) async throws -> Total {
        var total = Total()
        var bar = ProgressBar(label)
        defer { bar.finish() }
        bar.show("counting what is meant")
        var next: JSONValue?
        repeat {
            let step = try await link.post(path) { body in
                filter(&body)
                if isDryRun { body.member("dryRun", true) }
                for (name, value) in next?.members.map({ $0 }) ?? [] {
                    body.member(name.string ?? "", raw: value.raw)
                }
            }
            total.add(step)
            next = step["next"].flatMap { $0.isNull ? nil : $0 }
            let handled = total.done + total.keptCount
            let all = handled + (next?["remaining"]?.int ?? 0)
            bar.show(Double(handled) / Double(max(all, 1)))
        } while next != nil
        return total
    }
}

/// How commands tell what an operation did.
struct OperationSummary {
    let total: OperationSteps.Total
    let isDryRun: Bool
    /// `redriven`, say.
    let verb: String
    /// `dead letter`, say.
    let noun: String

    var text: String {
        var lines = ["\(isDryRun ? "would be " : "")\(verb): \(Wording.count(total.done, noun))"]
        if let replay = total.replay { lines[0] += ", as \(replay)" }
        if total.duplicates > 0 {
            lines.append("\(Wording.count(total.duplicates, "event")) of them known already")
        }
        for (reason, count) in total.kept.sorted(by: { $0.key < $1.key }) {
            lines.append("\(count) \(count == 1 ? "stays" : "stay"): \(TextTable.printable(reason))")
        }
        return lines.joined(separator: "\n")
    }

    var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { object in
            object.member("dryRun", isDryRun)
            object.member("done", total.done)
            object.member("duplicates", total.duplicates)
            object.name("kept")
            object.array { list in
                for (reason, count) in total.kept.sorted(by: { $0.key < $1.key }) {
                    list.object {
                        $0.member("reason", reason)
                        $0.member("count", count)
                    }
                }
            }
            object.member("replay", total.replay)
        }
        return writer.bytes
    }
}
