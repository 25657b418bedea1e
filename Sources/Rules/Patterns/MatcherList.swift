import JSON

/// The entries of one list, of which a value has to match any.
struct MatcherList: Hashable, Sendable {
    /// As they were written.
    let entries: [Matcher]
    /// What a long list is looked up in; nil where the entries are tried one by one.
    private let lookup: MatcherLookup?

    /// Lists that are longer are looked up.
    private static let triedMax = 6

    init(_ entries: [Matcher]) {
        self.entries = entries
        lookup = entries.count > Self.triedMax ? MatcherLookup(entries) : nil
    }

    /// Whether a scalar of an event matches any of the entries.
    func contains(_ entry: TapeEntry, in tape: TapeView) -> Bool {
        if let lookup { return lookup.contains(entry, in: tape) }
        return entries.contains { $0.matches(entry, in: tape) }
    }

    /// How many wildcards there are, those behind `anything-but` included: only these cost one by one.
    var wildcardCount: Int {
        entries.reduce(0) { count, entry in
            switch entry {
            case .wildcard: count + 1
            case .anythingBut(let excluded): count + excluded.wildcardCount
            default: count
            }
        }
    }

    static func == (a: Self, b: Self) -> Bool { a.entries == b.entries }

    func hash(into hasher: inout Hasher) { hasher.combine(entries) }
}

/// A long list by kind: texts, beginnings and ends are looked up in their order, and a value is folded, or
/// read as a number or an address, once for all entries.
private final class MatcherLookup: Sendable {
    private let texts: SortedTexts
    private let prefixes: SortedTexts
    /// Reversed.
    private let suffixes: SortedTexts
    private let foldedTexts: SortedTexts
    private let foldedPrefixes: SortedTexts
    private let foldedSuffixes: SortedTexts
    private let numbers: Set<Double>
    private let numberTexts: SortedTexts
    private let ranges: [NumericRange]
    private let blocks: [CIDRBlock]
    /// Literals, negations and wildcards.
    private let others: [Matcher]
    private let needsFolding: Bool

    init(_ entries: [Matcher]) {
        var texts: [String: [[UInt8]]] = [:]
        var numbers: [NumberLiteral] = []
        var ranges: [NumericRange] = []
        var blocks: [CIDRBlock] = []
        var others: Set<Matcher> = []
        for entry in entries {
            switch entry {
            case .string(let text): texts["string", default: []].append(text)
            case .prefix(let text): texts["prefix", default: []].append(text)
            case .suffix(let text): texts["suffix", default: []].append(text.reversed())
            case .equalsIgnoringCase(let text): texts["folded", default: []].append(text)
            case .prefixIgnoringCase(let text): texts["foldedPrefix", default: []].append(text)
            case .suffixIgnoringCase(let text): texts["foldedSuffix", default: []].append(text.reversed())
            case .number(let number): numbers.append(number)
            case .numeric(let range): ranges.append(range)
            case .cidr(let block): blocks.append(block)
            case .literal, .wildcard, .anythingBut, .exists: others.insert(entry)
            }
        }
        self.texts = SortedTexts(texts["string"] ?? [])
        prefixes = SortedTexts(prefixes: texts["prefix"] ?? [])
        suffixes = SortedTexts(prefixes: texts["suffix"] ?? [])
        foldedTexts = SortedTexts(texts["folded"] ?? [])
        foldedPrefixes = SortedTexts(prefixes: texts["foldedPrefix"] ?? [])
        foldedSuffixes = SortedTexts(prefixes: texts["foldedSuffix"] ?? [])
        needsFolding = !(foldedTexts.isEmpty && foldedPrefixes.isEmpty && foldedSuffixes.isEmpty)
        self.numbers = Set(numbers.compactMap(\.exact))
        numberTexts = SortedTexts(numbers.filter { $0.exact == nil }.map(\.text))
        self.ranges = ranges
        self.blocks = blocks
        self.others = Array(others)
    }

    func contains(_ entry: TapeEntry, in tape: TapeView) -> Bool {
        switch entry.kind {
        case .string: if tape.withString(entry, contains(text:)) { return true }
        case .number: if contains(number: tape.text(entry)) { return true }
        default: break
        }
        return others.contains { $0.matches(entry, in: tape) }
    }

    private func contains(text: UnsafeBufferPointer<UInt8>) -> Bool {
        if texts.contains(text) || prefixes.holdsPrefix(of: text) || holdsSuffix(suffixes, of: text) {
            return true
        }
        if !blocks.isEmpty, let address = IPAddress(spelled: text),
            blocks.contains(where: { $0.contains(address) })
        {
            return true
        }
        guard needsFolding else { return false }
        return CaseFolding.fold(text).withUnsafeBufferPointer { folded in
            foldedTexts.contains(folded) || foldedPrefixes.holdsPrefix(of: folded)
                || holdsSuffix(foldedSuffixes, of: folded)
        }
    }

    private func holdsSuffix(_ suffixes: SortedTexts, of text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard !suffixes.isEmpty else { return false }
        return Array(text.reversed()).withUnsafeBufferPointer { suffixes.holdsPrefix(of: $0) }
    }

    private func contains(number text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let number = NumberLiteral.exactDouble(text) else { return numberTexts.contains(text) }
        return numbers.contains(number) || ranges.contains { $0.contains(number) }
    }
}
