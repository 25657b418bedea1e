import JSON

/// Finds the few rules that an event may match.
///
/// Of each rule the rarest literals are kept as anchors, hashed with their field and length: at least one of
/// them has to be in the event, or the rule cannot match. An event is scanned once, only where some anchor's
/// field lies, and only the rules whose anchors it has are verified. So the cost depends on the event and on
/// what nearly matches, not on the number of rules, and the answer is always the single rules' own.
struct RuleIndex: Sendable {
    /// What is looked up in the values of one field.
    struct Field: Sendable {
        var prefixLengths: [Int] = []
        var suffixLengths: [Int] = []
        var foldedPrefixLengths: [Int] = []
        var foldedSuffixLengths: [Int] = []
        var gramSizes: [Int] = []
        var hasExact = false
        var hasFoldedExact = false
        var hasNumbers = false
        var hasLiterals = false
        var ranges = RangeIndex([])
        /// Rules that any value of the field makes candidates.
        var present: [Int32] = []
        /// The same as bits, where they are many.
        var presentBits: [UInt64] = []

        var needsFolding: Bool {
            hasFoldedExact || !foldedPrefixLengths.isEmpty || !foldedSuffixLengths.isEmpty
        }
    }

    /// A place in the event that lies on the way to a field.
    struct Node: Sendable {
        /// The field that lies here, if any; more only where two names have one key.
        var fields: [Int] = []
        /// A bit for each length of a child's name, by its lowest six bits.
        var nameLengths: UInt64 = 0
    }

    /// The event type, which routing knows beforehand, is field 0.
    static let eventTypeField = 0

    let fields: [Field]
    let nodes: [Node]
    /// From a node and a name to the node below.
    let children: HashIndex
    let postings: HashIndex
    /// Rules without any anchor, a bit each.
    let always: [UInt64]

    // MARK: - Lookup

    /// Sets the bit of each rule that may match.
    func findCandidates(
        eventType: String, root: Int, in tape: TapeView, _ candidates: UnsafeMutablePointer<UInt64>
    ) {
        for (place, word) in always.enumerated() { candidates[place] = word }
        markPresent(Self.eventTypeField, candidates)
        var eventType = eventType
        eventType.withUTF8 { look(up: $0, field: Self.eventTypeField, candidates) }
        if nodes.count > 1 { scan(0, root, in: tape, candidates) }
    }

    @inline(__always)
    private static func mark(_ rule: Int32, _ candidates: UnsafeMutablePointer<UInt64>) {
        candidates[Int(rule >> 6)] |= 1 << UInt64(rule & 63)
    }

    private func markPresent(_ field: Int, _ candidates: UnsafeMutablePointer<UInt64>) {
        for (place, word) in fields[field].presentBits.enumerated() { candidates[place] |= word }
        for rule in fields[field].present { Self.mark(rule, candidates) }
    }

    private func scan(
        _ node: Int, _ index: Int, in tape: TapeView, _ candidates: UnsafeMutablePointer<UInt64>
    ) {
        let entry = tape.entries[index]
        switch entry.kind {
        case .object:
            let lengths = nodes[node].nameLengths
            guard lengths != 0 else { return }
            var cursor = index + 1
            while cursor < Int(entry.next) {
                let name = tape.entries[cursor]
                let length = Int(name.end &- name.start) - 2
                if name.isEscaped || lengths >> UInt64(length & 63) & 1 == 1 {
                    let key = tape.withString(name) { Self.nameKey(node, $0) }
                    if let child = children.first(key) { scan(Int(child), cursor + 1, in: tape, candidates) }
                }
                cursor = Int(tape.entries[cursor + 1].next)
            }
        case .array:
            var cursor = index + 1
            while cursor < Int(entry.next) {
                scan(node, cursor, in: tape, candidates)
                cursor = Int(tape.entries[cursor].next)
            }
        default:
            for field in nodes[node].fields { look(up: entry, field: field, in: tape, candidates) }
        }
    }

    /// Marks the rules that one value of a field makes candidates.
    private func look(
        up entry: TapeEntry, field: Int, in tape: TapeView, _ candidates: UnsafeMutablePointer<UInt64>
    ) {
        markPresent(field, candidates)
        switch entry.kind {
        case .string: tape.withString(entry) { look(up: $0, field: field, candidates) }
        case .number:
            guard fields[field].hasNumbers else { return }
            guard let number = NumberLiteral.exactDouble(tape.text(entry)) else {
                let hash = tape.text(entry).reduce(AnchorHash.seed, AnchorHash.next)
                let key = AnchorHash.key(
                    .exact, field: field, length: Int(entry.end &- entry.start), hash)
                postings.forEach(key) { Self.mark($0, candidates) }
                return
            }
            postings.forEach(Matcher.number(number, field).key) { Self.mark($0, candidates) }
            fields[field].ranges.forEach(around: number) { Self.mark($0, candidates) }
        default:
            guard fields[field].hasLiterals else { return }
            let anchor = Anchor(.literal, field: field, value: UInt64(entry.kind.rawValue))
            postings.forEach(anchor.key) { Self.mark($0, candidates) }
        }
    }

    private func look(
        up text: UnsafeBufferPointer<UInt8>, field: Int, _ candidates: UnsafeMutablePointer<UInt64>
    ) {
        let lookup = fields[field]
        lookAffixes(
            text, field, lookup.prefixLengths, lookup.suffixLengths, lookup.hasExact,
            (.exact, .prefix, .suffix), candidates)
        if lookup.needsFolding {
            CaseFolding.fold(text).withUnsafeBufferPointer { folded in
                lookAffixes(
                    folded, field, lookup.foldedPrefixLengths, lookup.foldedSuffixLengths,
                    lookup.hasFoldedExact, (.foldedExact, .foldedPrefix, .foldedSuffix), candidates)
            }
        }
        for size in lookup.gramSizes where size <= text.count {
            for start in 0...(text.count - size) {
                let hash = AnchorHash.gram(text, at: start, size: size)
                let key = AnchorHash.key(.gram, field: field, length: size, hash)
                postings.forEach(key) { Self.mark($0, candidates) }
            }
        }
    }

    @inline(__always)
    private func lookAffixes(
        _ text: UnsafeBufferPointer<UInt8>, _ field: Int, _ prefixes: [Int], _ suffixes: [Int],
        _ hasExact: Bool, _ kinds: (exact: Anchor.Kind, prefix: Anchor.Kind, suffix: Anchor.Kind),
        _ candidates: UnsafeMutablePointer<UInt64>
    ) {
        let count = text.count
        var hash = AnchorHash.seed
        var position = 0
        for length in prefixes {
            if length > count { break }
            while position < length {
                hash = AnchorHash.next(hash, text[position])
                position += 1
            }
            let key = AnchorHash.key(kinds.prefix, field: field, length: length, hash)
            postings.forEach(key) { Self.mark($0, candidates) }
        }
        if hasExact {
            while position < count {
                hash = AnchorHash.next(hash, text[position])
                position += 1
            }
            let key = AnchorHash.key(kinds.exact, field: field, length: count, hash)
            postings.forEach(key) { Self.mark($0, candidates) }
        }
        hash = AnchorHash.seed
        position = 0
        for length in suffixes {
            if length > count { break }
            while position < length {
                position += 1
                hash = AnchorHash.next(hash, text[count - position])
            }
            let key = AnchorHash.key(kinds.suffix, field: field, length: length, hash)
            postings.forEach(key) { Self.mark($0, candidates) }
        }
    }

    /// Two names with one key share a node, which only makes for more candidates.
    @inline(__always)
    static func nameKey(_ node: Int, _ name: UnsafeBufferPointer<UInt8>) -> UInt64 {
        var hash = AnchorHash.seed ^ UInt64(node) &* 0x9E37_79B9_7F4A_7C15
        for byte in name { hash = AnchorHash.next(hash, byte) }
        return AnchorHash.mix(hash)
    }
}
