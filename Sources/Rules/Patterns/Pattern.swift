public import JSON

/// A compiled event pattern: which events a rule is about, in the EventBridge pattern language.
///
/// `docs/RULES.md` specifies the language. A pattern is immutable, so any number of threads may match with
/// it.
public struct Pattern: Sendable {
    /// Each of them has to hold, by one of its alternatives.
    let components: [PatternComponent]

    /// More `$or` combinations than this are refused.
    public static let alternativesMax = 1_024

    /// More wildcards than this, counted in each `$or` combination, are refused: each reads its texts for
    /// itself.
    public static let wildcardsMax = 2_000

    /// The names of the operators that an entry of a list may be.
    public static let operators = MatcherCompiler.operators

    /// Compiles a pattern; all its mistakes are reported at once.
    ///
    /// - Parameter written: The value at a place as a person wrote it, where something was replaced in it
    ///   that a ``Mismatch`` must not quote.
    public init(
        _ value: JSONValue, written: @escaping (JSONPointer) -> JSONValue? = { _ in nil }
    ) throws(LanguageProblems) {
        var compiler = PatternCompiler(written: written)
        let formula = compiler.compile(value)
        var components: [PatternComponent] = []
        for component in Formula.components(formula) where compiler.problems.isEmpty {
            guard let alternatives = component.alternatives(max: Self.alternativesMax) else {
                compiler.report(
                    value, at: .root,
                    "the $or's multiply to more than \(Self.alternativesMax) alternatives; split the rule")
                break
            }
            components.append(PatternComponent(alternatives.map(Alternative.init)))
        }
        if components.contains(where: { $0.alternatives.contains(where: \.isTooWide) }) {
            compiler.report(value, at: .root, "the $or's put more than 64 conditions on one field")
        }
        let wildcards = components.reduce(0) { $0 + $1.wildcardCount }
        if wildcards > Self.wildcardsMax {
            compiler.report(
                value, at: .root,
                "\(wildcards) wildcards, counted in each combination of the $or's, are more than "
                    + "\(Self.wildcardsMax); split the rule")
        }
        guard compiler.problems.isEmpty else { throw LanguageProblems(compiler.problems) }
        self.components = components
    }

    /// Whether the event matches.
    ///
    /// A value that is not an object matches no pattern.
    public func matches(_ event: JSONValue) -> Bool {
        event.document.withTape { matches(event.tapeIndex, in: $0) }
    }

    func matches(_ root: Int, in tape: TapeView) -> Bool {
        guard tape.entries[root].kind == .object else { return false }
        return components.allSatisfy { $0.holds(root, in: tape) }
    }

    /// The pattern's condition, where it is but one.
    var onlyCondition: Condition? {
        guard components.count == 1, components[0].alternatives.count == 1,
            components[0].alternatives[0].conditions.count == 1
        else { return nil }
        return components[0].alternatives[0].conditions[0]
    }
}
