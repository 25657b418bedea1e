/// Finds the word that a misspelt one was probably meant to be.
enum NearestName {
    /// The closest candidate, if it is close enough to be worth a question; the first of equals.
    static func of(_ word: String, among candidates: some Sequence<String>) -> String? {
        let wanted = folded(word)
        let limit = max(1, wanted.count / 3)
        var best: (name: String, distance: Int)?
        for candidate in candidates {
            let name = folded(candidate)
            let bound = min(limit, (best?.distance ?? .max) - 1)
            guard bound >= 0, abs(name.count - wanted.count) <= bound else { continue }
            let distance = distance(wanted, name)
            if distance <= bound { best = (candidate, distance) }
        }
        return best?.name
    }

    /// ` (did you mean "x"?)`, or nothing.
    static func question(_ word: String, among candidates: some Sequence<String>) -> String {
        of(word, among: candidates).map { "; did you mean \"\($0)\"?" } ?? ""
    }

    /// Case, `_` and `-` are the usual differences between one program's keys and another's.
    private static func folded(_ word: String) -> [UInt8] {
        word.lowercased().utf8.filter { $0 != UInt8(ascii: "_") && $0 != UInt8(ascii: "-") }
    }

    /// The number of inserted, dropped, changed or swapped bytes (optimal string alignment).
    static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
        var beforeLast = [Int](repeating: 0, count: b.count + 1)
        var last = Array(0...b.count)
        for i in 1...a.count {
            var row = [Int](repeating: i, count: b.count + 1)
            for j in 1...b.count {
                let isSame = a[i - 1] == b[j - 1]
                row[j] = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (isSame ? 0 : 1))
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
                    row[j] = min(row[j], beforeLast[j - 2] + 1)
                }
            }
            (beforeLast, last) = (last, row)
        }
        return last[b.count]
    }
}
