/// Offsets as text: ascending ranges such as `5-9,12`, which is how a sink's settled offsets are stored.
enum OffsetRanges {
    /// A sink's window never has so many; a text that names more is damaged, and may name billions.
    private static let offsetsMax: Int64 = 1 << 20

    static func text(of offsets: [Offset]) -> String {
        var ranges: [ClosedRange<Int64>] = []
        for offset in offsets.map(\.rawValue).sorted() {
            if let last = ranges.last, offset <= last.upperBound + 1 {
                ranges[ranges.count - 1] = last.lowerBound...max(offset, last.upperBound)
            } else {
                ranges.append(offset...offset)
            }
        }
        return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: ",")
    }

    /// Nil where the text is not of that form.
    static func offsets(ofText text: String) -> [Offset]? {
        var offsets: [Offset] = []
        for range in text.split(separator: ",") {
            let bounds = range.split(separator: "-").map { Int64($0) }
            guard let first = bounds.first ?? nil, let last = bounds.last ?? nil, bounds.count <= 2,
                first <= last, last - first < offsetsMax - Int64(offsets.count)
            else { return nil }
            offsets += (first...last).map { Offset(rawValue: $0) }
        }
        return offsets
    }
}
