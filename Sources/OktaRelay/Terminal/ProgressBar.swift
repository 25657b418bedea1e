import Foundation

/// A bar on standard error for long work; it draws only where a person sees it.
struct ProgressBar {
    private static let width = 30

    private let label: String
    private let isShown: Bool
    /// What is drawn; nil where nothing is.
    private var drawn: String?

    /// A bar; by default it is shown when both outputs are a terminal.
    init(_ label: String, isShown: Bool = isatty(STDOUT_FILENO) == 1 && isatty(STDERR_FILENO) == 1) {
        self.label = label
        self.isShown = isShown
    }

    /// Shows that so much of the work is done, 0 to 1.
    mutating func show(_ share: Double) {
        draw(Self.text(label, Int(min(max(share, 0), 1) * 100)))
    }

    /// Shows what is done now, where nobody can tell how much of it is.
    mutating func show(_ work: String) { draw("\(work) ...") }

    private mutating func draw(_ text: String) {
        guard isShown, text != drawn else { return }
        drawn = text
        FileHandle.standardError.write(Data("\r\u{1B}[K\(text)".utf8))
    }

    /// Takes the bar away.
    mutating func finish() {
        guard isShown, drawn != nil else { return }
        drawn = nil
        FileHandle.standardError.write(Data("\r\u{1B}[K".utf8))
    }

    /// The bar's line.
    static func text(_ label: String, _ percent: Int) -> String {
        let filled = width * percent / 100
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
        return "\(label) [\(bar)] \(percent) %"
    }
}
