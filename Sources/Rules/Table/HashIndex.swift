/// An immutable table from 64-bit keys to lists of small numbers, flat in memory.
struct HashIndex: Sendable {
    private struct Slot {
        /// Zero where the slot is free.
        var key: UInt64 = 0
        /// Where the key's list lies in `values`.
        var start: Int32 = 0
        var end: Int32 = 0
    }

    private var slots: [Slot]
    private var values: [Int32] = []
    private let mask: Int
    /// A few bits a key, so that nearly all lookups in vain end in memory that stays in the nearest cache.
    private var filter: [UInt64]
    private let filterMask: Int

    init(_ lists: [UInt64: [Int32]]) {
        var capacity = 16
        while capacity < lists.count * 2 { capacity *= 2 }
        mask = capacity - 1
        slots = Array(repeating: Slot(), count: capacity)
        filter = Array(repeating: 0, count: capacity / 8)
        filterMask = capacity * 8 - 1
        values.reserveCapacity(lists.reduce(0) { $0 + $1.value.count })
        for (key, list) in lists {
            var place = Int(truncatingIfNeeded: key >> 7) & mask
            while slots[place].key != 0 { place = (place + 1) & mask }
            slots[place] = Slot(
                key: key, start: Int32(values.count), end: Int32(values.count + list.count))
            values += list
            let bit = Int(truncatingIfNeeded: key >> 33) & filterMask
            filter[bit >> 6] |= 1 << UInt64(bit & 63)
        }
    }

    /// Visits a key's list.
    @inline(__always)
    func forEach(_ key: UInt64, _ visit: (Int32) -> Void) {
        guard let slot = slot(key) else { return }
        for place in Int(slot.start)..<Int(slot.end) { visit(values[place]) }
    }

    /// The first number of a key's list.
    @inline(__always)
    func first(_ key: UInt64) -> Int32? {
        slot(key).map { values[Int($0.start)] }
    }

    @inline(__always)
    private func slot(_ key: UInt64) -> Slot? {
        let bit = Int(truncatingIfNeeded: key >> 33) & filterMask
        guard filter[bit >> 6] >> UInt64(bit & 63) & 1 == 1 else { return nil }
        var place = Int(truncatingIfNeeded: key >> 7) & mask
        while slots[place].key != 0 {
            if slots[place].key == key { return slots[place] }
            place = (place + 1) & mask
        }
        return nil
    }
}
