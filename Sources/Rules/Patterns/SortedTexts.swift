/// Texts in their order, so that one is looked up among many in a few comparisons.
struct SortedTexts: Sendable {
    private let texts: [[UInt8]]

    /// Texts to be found whole.
    init(_ texts: some Sequence<[UInt8]>) { self.texts = texts.sorted { $0.lexicographicallyPrecedes($1) } }

    /// Beginnings: one that begins with another says nothing more, and is left out.
    init(prefixes: some Sequence<[UInt8]>) {
        texts = prefixes.sorted { $0.lexicographicallyPrecedes($1) }.reduce(into: []) { kept, text in
            if let last = kept.last, text.starts(with: last) { return }
            kept.append(text)
        }
    }

    var isEmpty: Bool { texts.isEmpty }

    func contains(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        last(upTo: text).map { $0.count == text.count && text.starts(with: $0) } ?? false
    }

    /// Whether the text begins with one of them; only the last one that does not sort behind it can be it.
    func holdsPrefix(of text: UnsafeBufferPointer<UInt8>) -> Bool {
        last(upTo: text).map { text.starts(with: $0) } ?? false
    }

    private func last(upTo text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        var low = 0
        var high = texts.count
        while low < high {
            let middle = (low + high) / 2
            if text.lexicographicallyPrecedes(texts[middle]) { high = middle } else { low = middle + 1 }
        }
        return low > 0 ? texts[low - 1] : nil
    }
}
