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
            for component in components where !component.holds(event.tapeIndex, in: tape) {
                let alternatives = component.alternatives
                let texts = alternatives.prefix(3).map { $0.mismatch(event, in: tape) }
                guard alternatives.count > 1 else { return texts.first.map(Mismatch.init) }
                let more = alternatives.count > 3 ? ", and \(alternatives.count - 3) more" : ""
                return Mismatch(
                    description: "none of $or's alternatives: \(texts.joined(separator: " | "))\(more)")
            }
            return nil
        }
    }

    /// What the event has where the pattern looks, for a person who did not want it to match; nil where it
    /// does not.
    func match(in event: JSONValue) -> String? {
        guard event.kind == .object else { return nil }
        return event.document.withTape { tape in
            var texts: [String] = []
            for component in components {
                guard
                    let holding = component.alternatives.first(where: { $0.holds(event.tapeIndex, in: tape) })
                else {
                    return nil
                }
                texts += holding.conditions.map { $0.seen(in: event, tape) }
            }
            return texts.joined(separator: ", ")
        }
    }
}

extension Alternative {
    /// Says why the alternative does not hold.
    fileprivate func mismatch(_ event: JSONValue, in tape: TapeView) -> String {
        for condition in conditions where !Alternative([condition]).holds(event.tapeIndex, in: tape) {
            return "\(condition.seen(in: event, tape)), wanted \(shorten(condition.source))"
        }
        let names = conditions.map(\.name).joined(separator: ", ")
        return "\(names) hold one by one, but not in the same array element"
    }
}

extension Condition {
    /// The field, and the first values of it.
    fileprivate func seen(in event: JSONValue, _ tape: TapeView) -> String {
        var seen: [String] = []
        tape.forEachValue(path[...], below: event.tapeIndex) { index in
            seen.append(shorten(String(decoding: event.document.value(at: index).raw, as: UTF8.self)))
            return seen.count < 4
        }
        let values = seen.prefix(3).joined(separator: ", ") + (seen.count > 3 ? ", …" : "")
        return "\(name) is \(values.isEmpty ? "missing" : values)"
    }
}

private func shorten(_ text: String) -> String { text.count > 100 ? "\(text.prefix(99))…" : text }
