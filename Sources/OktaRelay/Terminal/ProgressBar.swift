import Foundation

/// A bar on standard error for long work; it draws only where a person sees it.
struct ProgressBar {
    private static let width = 30

    private let label: String
    private let isShown: Bool
    private var drawn = -1

    /// A bar; by default it is shown when both outputs are a terminal.
    init(_ label: String, isShown: Bool = isatty(STDOUT_FILENO) == 1 && isatty(STDERR_FILENO) == 1) {
        self.label = label
        self.isShown = isShown
    }

    /// Shows that so much of the work is done, 0 to 1.
    mutating func show(_ share: Double) {
        let percent = Int(min(max(share, 0), 1) * 100)
        guard isShown, percent != drawn else { return }
        drawn = percent
        FileHandle.standardError.write(Data("\r\(Self.text(label, percent))".utf8))
    }

    /// Takes the bar away.
    mutating func finish() {
        guard isShown, drawn >= 0 else { return }
        drawn = -1
        FileHandle.standardError.write(Data("\r\u{1B}[K".utf8))
    }

    /// The bar's line.
    static func text(_ label: String, _ percent: Int) -> String {
        let filled = width * percent / 100
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
        return "\(label) [\(bar)] \(percent) %"
    }
}
