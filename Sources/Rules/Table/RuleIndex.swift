import JSON

/// Finds the few rules that an event may match.
///
/// Of each rule the rarest literals are kept as anchors, hashed with their field and length: at least one of
/// them has to be in the event, or the rule cannot match. A rule that asks for a missing field is a candidate
/// until the field turns up. An event is scanned once, only where some anchor's field lies, and only the
/// candidates are verified. So the cost depends on the event and on what nearly matches, not on the number of
/// rules, and the answer is always the single rules' own.
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
        /// Parts of `rules`: whom any value of the field makes candidates, and who are none then.
        var present = Part()
        var absent = Part()
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

    /// What one lookup writes, a bit for each rule or field.
    struct Marks {
        /// Rules with an anchor in the event.
        let candidates: UnsafeMutablePointer<UInt64>
        /// Rules whose missing field has not turned up.
        let absences: UnsafeMutablePointer<UInt64>
        /// Fields of which some value was seen.
        let seen: UnsafeMutablePointer<UInt64>
    }

    /// The field of a text that is looked up by itself.
    static let textField = 0

    var fields: [Field] = []
    /// By field, the way there, where some rule asks for the field to be missing.
    var paths: [[[UInt8]]] = []
    var lengths: [Int32] = []
    /// Numbers of rules; a negative one is the complement of a bitmap's number.
    var rules: [Int32] = []
    /// Long lists of rules as bits, each as long as `always`.
    var bitmaps: [UInt64] = []
    var ranges: [RangeIndex] = []
    var nodes: [Node] = []
    var nodeFields: [Int32] = []
    /// From a node and a name to the node below.
    let children: HashIndex
    /// From an anchor to its rules, as in `rules`.
    let postings: HashIndex
    /// Rules without any anchor, a bit each.
    let always: [UInt64]
    /// Rules that are candidates where a field is missing, a bit each.
    let absences: [UInt64]

    /// How many words of bits the fields take.
    var fieldWords: Int { (fields.count + 63) / 64 }

    // MARK: - Lookup

    /// Sets the bit of each rule that one text alone, such as the event's type, makes a candidate.
    func findCandidates(of text: String, _ candidates: UnsafeMutablePointer<UInt64>) {
        candidates.set(to: always)
        mark(fields[Self.textField].present, candidates)
        var text = text
        text.withUTF8 { look(up: $0, field: Self.textField, candidates) }
    }

    /// Sets the bit of each rule that the event may match.
    ///
    /// - Parameters:
    ///   - marks: `seen` has to be zero; all but the candidates are scratch.
    ///   - rules: Those that are asked; all without it.
    func findCandidates(
        root: Int, in tape: TapeView, _ marks: Marks, among rules: UnsafePointer<UInt64>? = nil
    ) {
        marks.candidates.set(to: always)
        marks.absences.set(to: absences)
        if nodes.count > 1 { scan(0, root, in: Event(tape: tape, root: root), marks) }
        let (candidates, absences) = (marks.candidates, marks.absences)
        for word in 0..<always.count {
            candidates[word] = (candidates[word] | absences[word]) & (rules?[word] ?? .max)
        }
    }

    /// The event that is scanned.
    private struct Event {
        let tape: TapeView
        let root: Int
    }

    @inline(__always)
    func mark(_ rule: Int32, _ candidates: UnsafeMutablePointer<UInt64>) {
        if rule >= 0 {
            candidates[Int(rule >> 6)] |= 1 << UInt64(rule & 63)
        } else {
            forEachWord(ofBitmap: rule) { candidates[$0] |= $1 }
        }
    }

    private func mark(_ part: Part, _ candidates: UnsafeMutablePointer<UInt64>) {
        for place in part.indices { mark(rules[place], candidates) }
    }

    /// Rules that asked for the field to be missing are no candidates any more.
    private func unmark(_ part: Part, _ absences: UnsafeMutablePointer<UInt64>) {
        for place in part.indices {
            let rule = rules[place]
            if rule >= 0 {
                absences[Int(rule >> 6)] &= ~(1 << UInt64(rule & 63))
            } else {
                forEachWord(ofBitmap: rule) { absences[$0] &= ~$1 }
            }
        }
    }

    @inline(__always)
    private func forEachWord(ofBitmap bitmap: Int32, _ visit: (Int, UInt64) -> Void) {
        bitmaps.withUnsafeBufferPointer { bitmaps in
            let start = Int(~bitmap) * always.count
            for word in 0..<always.count { visit(word, bitmaps[start + word]) }
        }
    }

    private func scan(_ node: Int, _ index: Int, in event: Event, _ marks: Marks) {
        let tape = event.tape
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
                    if let child = children.first(key) { scan(Int(child), cursor + 1, in: event, marks) }
                }
                cursor = Int(tape.entries[cursor + 1].next)
            }
        case .array:
            var cursor = index + 1
            while cursor < Int(entry.next) {
                scan(node, cursor, in: event, marks)
                cursor = Int(tape.entries[cursor].next)
            }
        default:
            for place in nodes[node].fields.indices {
                let field = Int(nodeFields[place])
                see(field, in: event, marks)
                look(up: entry, field: field, in: tape, marks.candidates)
            }
        }
    }

    /// Marks, at the first of a field's values, what depends on there being any.
    private func see(_ field: Int, in event: Event, _ marks: Marks) {
        let bit: UInt64 = 1 << UInt64(field & 63)
        guard marks.seen[field >> 6] & bit == 0 else { return }
        marks.seen[field >> 6] |= bit
        mark(fields[field].present, marks.candidates)
        // Only of a repeated name is the value that was seen not one of the event's: the last one counts.
        guard !fields[field].absent.isEmpty, event.tape.hasValue(paths[field][...], below: event.root) else {
            return
        }
        unmark(fields[field].absent, marks.absences)
    }

    /// Two names with one key share a node, which only makes for more candidates.
    @inline(__always)
    static func nameKey(_ node: Int, _ name: UnsafeBufferPointer<UInt8>) -> UInt64 {
        let hash = name.baseAddress.map { AnchorHash.hash($0, name.count) } ?? AnchorHash.hash([])
        let place = UInt64(node) << 32 ^ UInt64(name.count)
        return AnchorHash.mix(hash ^ (place &* 0x9E37_79B9_7F4A_7C15))
    }
}
