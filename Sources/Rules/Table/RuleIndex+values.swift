import JSON

/// What one value of the event makes candidates.
extension RuleIndex {
    /// Marks the rules that one value of a field makes candidates.
    func look(up entry: TapeEntry, field: Int, in tape: TapeView, _ candidates: UnsafeMutablePointer<UInt64>)
    {
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
            postings.forEach(Matcher.number(number, field).key) { mark($0, candidates) }
            let ranges = fields[field].ranges
            if ranges >= 0 { self.ranges[ranges].mark(around: number, candidates) }
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
        postings.forEach(key) { mark($0, candidates) }
    }

    func look(up text: UnsafeBufferPointer<UInt8>, field: Int, _ candidates: UnsafeMutablePointer<UInt64>) {
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
            postings.forEach(Matcher.block(address, bits, field).key) { mark($0, candidates) }
        }
    }
}
