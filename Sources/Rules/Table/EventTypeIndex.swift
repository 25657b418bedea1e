/// Which rules take events of a type: a bit for each rule.
///
/// Rules that name the same event types are asked together, so this is exact and costs what the types cost.
struct EventTypeIndex: Sendable {
    /// The rules of one list of event types.
    private enum Members: Sendable {
        case few([Int32])
        /// A bit for each rule, where that is shorter.
        case many([UInt64])
    }

    private let lists: [[EventTypePattern]]
    private let members: [Members]
    private let index: RuleIndex
    /// Rules that name no event type take all.
    private let ofAnyType: [UInt64]

    init(_ rules: [Rule]) {
        var ofAnyType = Array(repeating: UInt64(0), count: (rules.count + 63) / 64)
        var places: [[EventTypePattern]: Int] = [:]
        var lists: [[EventTypePattern]] = []
        var numbers: [[Int32]] = []
        for (number, rule) in rules.enumerated() {
            if rule.events.isEmpty {
                ofAnyType[number >> 6] |= 1 << UInt64(number & 63)
                continue
            }
            let place = places[rule.events] ?? lists.count
            if place == lists.count {
                places[rule.events] = place
                lists.append(rule.events)
                numbers.append([])
            }
            numbers[place].append(Int32(number))
        }
        members = numbers.map { numbers in
            guard numbers.count > ofAnyType.count else { return .few(numbers) }
            var bits = Array(repeating: UInt64(0), count: ofAnyType.count)
            for number in numbers { bits[Int(number >> 6)] |= 1 << UInt64(number & 63) }
            return .many(bits)
        }
        index = RuleIndexBuilder.index(ofEventTypes: lists)
        self.lists = lists
        self.ofAnyType = ofAnyType
    }

    /// Sets the bits of the rules that take the type, and no others.
    func mark(_ type: String, _ rules: UnsafeMutablePointer<UInt64>) {
        rules.set(to: ofAnyType)
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: index.always.count + 1) { candidates in
            guard let candidates = candidates.baseAddress else { return }
            index.findCandidates(of: type, candidates)
            for word in index.always.indices {
                var rest = candidates[word]
                while rest != 0 {
                    let list = word * 64 + rest.trailingZeroBitCount
                    rest &= rest &- 1
                    if lists[list].contains(where: { $0.matches(type) }) { mark(members[list], rules) }
                }
            }
        }
    }

    private func mark(_ members: Members, _ rules: UnsafeMutablePointer<UInt64>) {
        switch members {
        case .few(let numbers):
            for number in numbers { rules[Int(number >> 6)] |= 1 << UInt64(number & 63) }
        case .many(let bits): rules.formUnion(bits)
        }
    }
}
