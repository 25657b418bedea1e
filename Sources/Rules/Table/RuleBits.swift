/// A bit for each rule, in scratch memory: whole rows of bits at once.
///
/// The other row says how many words there are; they never overlap. As plain memory, so that several words go
/// through the processor at a time.
extension UnsafeMutablePointer<UInt64> {
    func set(to bits: [UInt64]) {
        bits.withUnsafeBufferPointer { bits in
            guard let start = bits.baseAddress else { return }
            update(from: start, count: bits.count)
        }
    }

    func formUnion(_ bits: [UInt64]) {
        bits.withUnsafeBufferPointer { bits in
            for word in bits.indices { self[word] |= bits[word] }
        }
    }

    func formIntersection(_ bits: [UInt64]) {
        bits.withUnsafeBufferPointer { bits in
            for word in bits.indices { self[word] &= bits[word] }
        }
    }
}
