/// A table for a person: columns as wide as their widest cell, numbers to the right.
struct TextTable: Equatable {
    /// A column's heading and the side on which its cells stand.
    struct Column: Equatable {
        enum Side { case left, right }

        let heading: String
        let side: Side

        static func left(_ heading: String) -> Column { Column(heading: heading, side: .left) }
        static func right(_ heading: String) -> Column { Column(heading: heading, side: .right) }
    }

    let columns: [Column]
    private(set) var rows: [[String]] = []

    init(_ columns: [Column]) { self.columns = columns }

    /// Adds a row; cells that are missing stay blank.
    ///
    /// Control characters become spaces, so that nothing that
    /// came from outside can move the cursor.
    mutating func add(_ cells: String...) {
        rows.append(cells.prefix(columns.count).map(Self.printable))
    }

    /// The lines, without blanks at their ends.
    func text(isHeadingBold: Bool = false) -> String {
        let cells = [columns.map(\.heading)] + rows
        let widths = columns.indices.map { index in
            cells.map { index < $0.count ? $0[index].count : 0 }.max() ?? 0
        }
        let lines = cells.map { line($0, widths) }
        guard isHeadingBold, let heading = lines.first else { return lines.joined(separator: "\n") }
        return (["\u{1B}[1m\(heading)\u{1B}[0m"] + lines.dropFirst()).joined(separator: "\n")
    }

    private func line(_ cells: [String], _ widths: [Int]) -> String {
        var text = ""
        for (index, column) in columns.enumerated() {
            let cell = index < cells.count ? cells[index] : ""
            let padding = String(repeating: " ", count: widths[index] - cell.count)
            text += (index == 0 ? "" : "  ") + (column.side == .left ? cell + padding : padding + cell)
        }
        while text.last == " " { text.removeLast() }
        return text
    }

    /// Control characters become spaces.
    static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            return text
        }
        var clean = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            clean.append(scalar.properties.generalCategory == .control ? " " : scalar)
        }
        return String(clean)
    }
}
