/// One expression on its way through one text.
struct IRegexpRun {
    private let states: [IRegexp.State]
    private let scalars: [Unicode.Scalar]
    private var current: ActiveStates
    private var next: ActiveStates
    /// States that are yet to be followed; kept, so that no character allocates.
    private var open: [Int] = []

    init(_ regexp: IRegexp, _ text: [UInt8]) {
        states = regexp.states
        scalars = Array(String(decoding: text, as: UTF8.self).unicodeScalars)
        current = ActiveStates(count: states.count)
        next = ActiveStates(count: states.count)
    }

    /// What it took to get ready.
    var setupSteps: Int { scalars.count + states.count / 16 }

    mutating func matches(isWhole: Bool, _ budget: inout StepBudget) throws(JSONPathError) -> Bool {
        for position in 0...scalars.count {
            if position == 0 || !isWhole { activate(0, at: position) }
            swap(&current, &next)
            if current.hasAccepted, !isWhole || position == scalars.count { return true }
            guard position < scalars.count, !(isWhole && current.list.isEmpty) else { return false }
            next.removeAll()
            try budget.spend(try read(position))
        }
        return false
    }

    /// Takes one character in every active state; the steps that it took.
    private mutating func read(_ position: Int) throws(JSONPathError) -> Int {
        var steps = current.list.count
        for index in current.list {
            guard case .consume(let set) = states[index] else { continue }
            steps += set.members.count
            if set.contains(scalars[position]) { activate(index + 1, at: position + 1) }
        }
        return steps
    }

    /// Adds a state to the next ones, and all that it reaches without reading.
    private mutating func activate(_ start: Int, at position: Int) {
        open.append(start)
        while let index = open.popLast() {
            guard next.insert(index) else { continue }
            switch states[index] {
            case .jump(let target): open.append(target)
            case .split(let one, let other):
                open.append(other)
                open.append(one)
            case .start: if position == 0 { open.append(index + 1) }
            case .end: if position == scalars.count { open.append(index + 1) }
            case .accept: next.hasAccepted = true
            case .consume: continue
            }
        }
    }

    private struct ActiveStates {
        var list: [Int] = []
        var hasAccepted = false
        private var isActive: [Bool]

        init(count: Int) { isActive = Array(repeating: false, count: count) }

        mutating func insert(_ index: Int) -> Bool {
            guard !isActive[index] else { return false }
            isActive[index] = true
            list.append(index)
            return true
        }

        mutating func removeAll() {
            for index in list { isActive[index] = false }
            list.removeAll(keepingCapacity: true)
            hasAccepted = false
        }
    }
}
