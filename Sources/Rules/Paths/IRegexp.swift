/// A regular expression of RFC 9485 (I-Regexp), matched in time linear in the text.
///
/// Compiled to a nondeterministic automaton whose states are followed all at once, so that no expression
/// and no text can make it backtrack. What that takes, states times characters, is spent from a budget.
struct IRegexp: Sendable {
    /// Counted repetitions are written out; an expression that grows past this many states is refused.
    static let statesMax = 10_000

    enum State: Sendable {
        case consume(CharacterSet)
        /// Goes on in both places without reading.
        case split(Int, Int)
        case jump(Int)
        /// Goes on only before the first, or behind the last character. I-Regexp has no anchors, but the
        /// suites of RFC 9535 take them for what they are everywhere else.
        case start, end
        case accept
    }

    let states: [State]

    init(_ text: [UInt8]) throws(Mistake) {
        var parser = IRegexpParser(Array(String(decoding: text, as: UTF8.self).unicodeScalars))
        let tree = try parser.parse()
        var builder = IRegexpBuilder()
        try builder.emit(tree)
        try builder.append(.accept)
        states = builder.states
    }

    enum Mistake: Error {
        case syntax, tooDeep, tooManyStates

        /// What is wrong and what would be right.
        var message: String {
            switch self {
            case .syntax: "this is no I-Regexp (RFC 9485)"
            case .tooDeep: "the regular expression is nested too deeply"
            case .tooManyStates:
                "the regular expression needs more than \(IRegexp.statesMax) states; counted repetitions are "
                    + "written out, so use smaller ones or *"
            }
        }
    }

    /// Whether the whole text, or any part of it, matches.
    func matches(
        _ text: [UInt8], isWhole: Bool, _ budget: inout StepBudget
    ) throws(JSONPathError) -> Bool {
        var run = IRegexpRun(self, text)
        try budget.spend(run.setupSteps)
        return try run.matches(isWhole: isWhole, &budget)
    }
}
