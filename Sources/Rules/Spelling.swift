/// Finds the word that a person may have meant.
enum Spelling {
    /// The candidate with the fewest edits, where they are few for the word's length.
    static func nearest(_ word: String, among candidates: [String]) -> String? {
        guard word.utf8.count <= 40 else { return nil }
        let lowered = word.lowercased()
        let ranked = candidates.map { (word: $0, edits: edits(Array(lowered.utf8), Array($0.utf8))) }
        guard let best = ranked.min(by: { $0.edits < $1.edits }) else { return nil }
        return best.edits <= max(1, word.utf8.count / 3) ? best.word : nil
    }

    /// Levenshtein's distance.
    private static func edits(_ one: [UInt8], _ other: [UInt8]) -> Int {
        var row = Array(0...other.count)
        for (line, byte) in one.enumerated() {
            var diagonal = row[0]
            row[0] = line + 1
            for (column, candidate) in other.enumerated() {
                let above = row[column + 1]
                row[column + 1] = min(above + 1, row[column] + 1, diagonal + (byte == candidate ? 0 : 1))
                diagonal = above
            }
        }
        return row[other.count]
    }
}
