/// What a query may still do over one document.
///
/// Everything whose cost grows with the document is paid from it: values that are looked at, members that are
/// passed over, texts that are read, states of regular expressions. So no document and no query can take
/// long.
struct StepBudget {
    private var left = JSONPath.stepsMax

    /// Takes so many steps; throws where none are left.
    mutating func spend(_ steps: Int = 1) throws(JSONPathError) {
        left -= steps
        guard left >= 0 else { throw JSONPathError() }
    }
}
