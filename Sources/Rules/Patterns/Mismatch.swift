public import JSON

extension Pattern {
    /// A condition that failed, and what was there.
    public struct Mismatch: Sendable, Equatable, CustomStringConvertible {
        /// A sentence with the field, the values that were seen and what was wanted; it quotes the event.
        public let description: String
    }

    /// The first condition that fails, for a person; nil where the pattern matches.
    public func firstMismatch(in event: JSONValue) -> Mismatch? {
        guard event.kind == .object else { return Mismatch(description: "the event is not an object") }
        return event.document.withTape { tape in
            for alternatives in components
            where !alternatives.contains(where: { $0.holds(event.tapeIndex, in: tape) }) {
                let texts = alternatives.prefix(3).map { $0.mismatch(event, in: tape) }
                guard alternatives.count > 1 else { return texts.first.map(Mismatch.init) }
                let more = alternatives.count > 3 ? ", and \(alternatives.count - 3) more" : ""
                return Mismatch(
                    description: "none of $or's alternatives: \(texts.joined(separator: " | "))\(more)")
            }
            return nil
        }
    }
}

extension Alternative {
    /// Says why the alternative does not hold.
    fileprivate func mismatch(_ event: JSONValue, in tape: TapeView) -> String {
        let root = event.tapeIndex
        for condition in conditions where !Alternative([condition]).holds(root, in: tape) {
            var seen: [String] = []
            tape.forEachValue(condition.path[...], below: root) { index in
                seen.append(shorten(String(decoding: event.document.value(at: index).raw, as: UTF8.self)))
                return seen.count < 4
            }
            let values = seen.prefix(3).joined(separator: ", ") + (seen.count > 3 ? ", …" : "")
            return "\(condition.name) is \(values.isEmpty ? "missing" : values), "
                + "wanted \(shorten(condition.source))"
        }
        let names = conditions.map(\.name).joined(separator: ", ")
        return "\(names) hold one by one, but not in the same array element"
    }

    private func shorten(_ text: String) -> String { text.count > 100 ? "\(text.prefix(99))…" : text }
}
