/// An expression as it was read.
indirect enum IRegexpTree {
    case set(CharacterSet)
    case start, end
    case sequence([IRegexpTree])
    case choice([IRegexpTree])
    /// At least so often; at most so often where there is a limit.
    case repetition(IRegexpTree, Int, Int?)
}

/// Writes an expression out as states.
struct IRegexpBuilder {
    private(set) var states: [IRegexp.State] = []

    mutating func append(_ state: IRegexp.State) throws(IRegexp.Mistake) {
        guard states.count < IRegexp.statesMax else { throw .tooManyStates }
        states.append(state)
    }

    mutating func emit(_ tree: IRegexpTree) throws(IRegexp.Mistake) {
        switch tree {
        case .set(let set): try append(.consume(set))
        case .start: try append(.start)
        case .end: try append(.end)
        case .sequence(let parts): for part in parts { try emit(part) }
        case .choice(let parts):
            var ends: [Int] = []
            for (index, part) in parts.enumerated() {
                let split = states.count
                if index < parts.count - 1 { try append(.jump(0)) }
                try emit(part)
                guard index < parts.count - 1 else { continue }
                ends.append(states.count)
                try append(.jump(0))
                states[split] = .split(split + 1, states.count)
            }
            for end in ends { states[end] = .jump(states.count) }
        case .repetition(let inner, let least, let most):
            for _ in 0..<least {
                let before = states.count
                try emit(inner)
                // What is empty once is empty however often, and would otherwise cost the count for nothing.
                if states.count == before { break }
            }
            guard let most else {
                let split = states.count
                try append(.jump(0))
                try emit(inner)
                try append(.jump(split))
                states[split] = .split(split + 1, states.count)
                return
            }
            var splits: [Int] = []
            for _ in least..<max(most, least) {
                splits.append(states.count)
                try append(.jump(0))
                try emit(inner)
            }
            for split in splits { states[split] = .split(split + 1, states.count) }
        }
    }
}
