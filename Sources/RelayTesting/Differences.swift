/// Tells where two dictionaries differ, so that a failure shows one user and not all of them.
///
/// - Returns: A line for each key whose values differ, in the order of the keys; empty where all are equal.
public func differences<Value: Equatable>(
    _ found: [String: Value], from expected: [String: Value]
) -> [String] {
    Set(found.keys).union(expected.keys).sorted().filter { found[$0] != expected[$0] }.map { key in
        func text(_ value: Value?) -> String { value.map { "\($0)" } ?? "nothing" }
        return "\(key): \(text(found[key])) instead of \(text(expected[key]))"
    }
}
