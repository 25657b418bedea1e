import JSON

/// How a delivery's failed attempts are stored: a JSON array of objects with `attempt`, `at`, `reason`,
/// `status` and `tookMs`; the last two only where they are known.
extension FailedAttempt {
    static func text(of failures: [FailedAttempt]) -> String {
        var writer = JSONWriter()
        writer.array { list in
            for failure in failures {
                list.object { object in
                    object.member("attempt", failure.number)
                    object.member("at", failure.at)
                    object.member("reason", failure.reason)
                    if let status = failure.status { object.member("status", status) }
                    if let took = failure.took {
                        object.member("tookMs", Int(took.nanoseconds / 1_000_000))
                    }
                }
            }
        }
        return writer.text
    }

    /// Whether all of it can be read.
    static func isWhole(_ text: String) -> Bool {
        guard let root = try? JSONDocument(text).root, root.kind == .array else { return false }
        return root.elements.map { $0 }.count == failures(ofText: text).count
    }

    static func failures(ofText text: String) -> [FailedAttempt] {
        guard let root = try? JSONDocument(text).root else { return [] }
        return root.elements.compactMap { element in
            guard let number = element["attempt"]?.int, let at = element["at"]?.int,
                let reason = element["reason"]?.string
            else { return nil }
            return FailedAttempt(
                number: number, at: Int64(at), reason: reason,
                took: element["tookMs"]?.int.map { .milliseconds($0) }, status: element["status"]?.int)
        }
    }
}
