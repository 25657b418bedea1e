import JSON

/// Finds the few rules that an event may match.
///
/// Of each rule the rarest literals are kept as anchors, hashed with their field and length: at least one of
/// them has to be in the event, or the rule cannot match. An event is scanned once, only where some anchor's
/// field lies, and only the rules whose anchors it has are verified. So the cost depends on the event and on
/// what nearly matches, not on the number of rules, and the answer is always the single rules' own.
///
/// Everything lies flat in a few arrays of plain numbers, so that a lookup counts no references.
struct RuleIndex: Sendable {
    /// A part of one of the index's arrays.
    struct Part {
        var start: Int32 = 0
        var end: Int32 = 0

        var isEmpty: Bool { start == end }
        var indices: Range<Int> { Int(start)..<Int(end) }
    }

    /// What is looked up in the values of one field.
    struct Field {
        /// Parts of `lengths`, ascending.
        var prefixes = Part()
        var suffixes = Part()
        var foldedPrefixes = Part()
        var foldedSuffixes = Part()
        var grams = Part()
        var blocks = Part()
        var hasExact = false
        var hasFoldedExact = false
        var hasNumbers = false
        var hasLiterals = false
        /// Rules that any value of the field makes candidates: a part of `present`, or bits in `presentBits`
        /// where they are many.
        var present = Part()
        var presentBits = Part()
        /// Index in `ranges`, or -1.
        var ranges = -1

        var needsFolding: Bool { hasFoldedExact || !foldedPrefixes.isEmpty || !foldedSuffixes.isEmpty }
    }

    /// A place in the event that lies on the way to a field.
    struct Node {
        /// The fields that lie here, a part of `nodeFields`; more than one only where two names have one key.
        var fields = Part()
        /// A bit for each length of a child's name, by its lowest six bits.
        var nameLengths: UInt64 = 0
    }

    /// The event type, which routing knows beforehand, is field 0.
    static let eventTypeField = 0

    var fields: [Field] = []
    var lengths: [Int32] = []
    var present: [Int32] = []
    var presentBits: [UInt64] = []
    var ranges: [RangeIndex] = []
    var nodes: [Node] = []
    var nodeFields: [Int32] = []
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
        for place in always.indices { candidates[place] = always[place] }
        markPresent(Self.eventTypeField, candidates)
        var eventType = eventType
        eventType.withUTF8 { look(up: $0, field: Self.eventTypeField, candidates) }
        if nodes.count > 1 { scan(0, root, in: tape, candidates) }
    }

    @inline(__always)
    private static func mark(_ rule: Int32, _ candidates: UnsafeMutablePointer<UInt64>) {
        candidates[Int(rule >> 6)] |= 1 << UInt64(rule & 63)
    }

    @inline(__always)
    private func markPresent(_ field: Int, _ candidates: UnsafeMutablePointer<UInt64>) {
        let bits = fields[field].presentBits
        for place in bits.indices { candidates[place - Int(bits.start)] |= presentBits[place] }
        for place in fields[field].present.indices { Self.mark(present[place], candidates) }
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
                    let key =
                        name.isEscaped
                        ? tape.withString(name) { Self.nameKey(node, $0) }
                        : Self.nameKey(node, tape.content(name))
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
            for place in nodes[node].fields.indices {
                look(up: entry, field: Int(nodeFields[place]), in: tape, candidates)
            }
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
            let text = tape.text(entry)
            guard let number = NumberLiteral.exactDouble(text) else {
                guard let start = text.baseAddress else { return }
                let hash = AnchorHash.hash(start, text.count)
                return mark(.exact, field, text.count, hash, candidates)
            }
            postings.forEach(Matcher.number(number, field).key) { Self.mark($0, candidates) }
            let ranges = fields[field].ranges
            if ranges >= 0 { self.ranges[ranges].forEach(around: number) { Self.mark($0, candidates) } }
        default:
            guard fields[field].hasLiterals else { return }
            mark(.literal, field, 0, UInt64(entry.kind.rawValue), candidates)
        }
    }

    @inline(__always)
    private func mark(
        _ kind: Anchor.Kind, _ field: Int, _ length: Int, _ hash: UInt64,
        _ candidates: UnsafeMutablePointer<UInt64>
    ) {
        let key = AnchorHash.key(kind, field: field, length: length, hash)
        postings.forEach(key) { Self.mark($0, candidates) }
    }

    private func look(
        up text: UnsafeBufferPointer<UInt8>, field: Int, _ candidates: UnsafeMutablePointer<UInt64>
    ) {
        let lookup = fields[field]
        guard let start = text.baseAddress, !text.isEmpty else {
            // Only equality knows the empty text.
            if lookup.hasExact { mark(.exact, field, 0, AnchorHash.hash([]), candidates) }
            if lookup.hasFoldedExact { mark(.foldedExact, field, 0, AnchorHash.hash([]), candidates) }
            return
        }
        let count = text.count
        for place in lookup.prefixes.indices {
            let length = Int(lengths[place])
            if length > count { break }
            mark(.prefix, field, length, AnchorHash.hash(start, length), candidates)
        }
        if lookup.hasExact { mark(.exact, field, count, AnchorHash.hash(start, count), candidates) }
        for place in lookup.suffixes.indices {
            let length = Int(lengths[place])
            if length > count { break }
            mark(.suffix, field, length, AnchorHash.hash(start + (count - length), length), candidates)
        }
        for place in lookup.grams.indices {
            let size = Int(lengths[place])
            if size > count { break }
            for offset in 0...(count - size) {
                mark(.gram, field, size, AnchorHash.hash(start + offset, size), candidates)
            }
        }
        if lookup.needsFolding { lookFolded(text, field, candidates) }
        if !lookup.blocks.isEmpty { lookBlocks(text, field, candidates) }
    }

    private func lookFolded(
        _ text: UnsafeBufferPointer<UInt8>, _ field: Int, _ candidates: UnsafeMutablePointer<UInt64>
    ) {
        let lookup = fields[field]
        CaseFolding.fold(text).withUnsafeBufferPointer { folded in
            guard let start = folded.baseAddress else { return }
            let count = folded.count
            for place in lookup.foldedPrefixes.indices {
                let length = Int(lengths[place])
                if length > count { break }
                mark(.foldedPrefix, field, length, AnchorHash.hash(start, length), candidates)
            }
            if lookup.hasFoldedExact {
                mark(.foldedExact, field, count, AnchorHash.hash(start, count), candidates)
            }
            for place in lookup.foldedSuffixes.indices {
                let length = Int(lengths[place])
                if length > count { break }
                let hash = AnchorHash.hash(start + (count - length), length)
                mark(.foldedSuffix, field, length, hash, candidates)
            }
        }
    }

    /// Looks an address up in the blocks of each length that some rule has.
    private func lookBlocks(
        _ text: UnsafeBufferPointer<UInt8>, _ field: Int, _ candidates: UnsafeMutablePointer<UInt64>
    ) {
        guard let address = IPAddress(spelled: text) else { return }
        for place in fields[field].blocks.indices {
            let length = Int(lengths[place])
            let bits = length & 255
            guard Matcher.blockLength(address.bitCount, bits) == length else { continue }
            postings.forEach(Matcher.block(address, bits, field).key) { Self.mark($0, candidates) }
        }
    }

    /// Two names with one key share a node, which only makes for more candidates.
    @inline(__always)
    static func nameKey(_ node: Int, _ name: UnsafeBufferPointer<UInt8>) -> UInt64 {
        let hash = name.baseAddress.map { AnchorHash.hash($0, name.count) } ?? AnchorHash.hash([])
        let place = UInt64(node) << 32 ^ UInt64(name.count)
        return AnchorHash.mix(hash ^ (place &* 0x9E37_79B9_7F4A_7C15))
    }
}
