/// Writes Prometheus' text exposition format, version 0.0.4.
///
/// Format: <https://prometheus.io/docs/instrumenting/exposition_formats/>
struct PrometheusText {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var text = ""

    /// Begins a family; its samples follow before the next family begins.
    mutating func family(_ family: MetricFamily) {
        text += "# HELP \(family.rawValue) \(Self.escaped(family.help, quote: false))\n"
        text += "# TYPE \(family.rawValue) \(family.kind.rawValue)\n"
    }

    /// Writes one sample; `suffix` is for a histogram's parts.
    mutating func sample(
        _ family: MetricFamily, suffix: String = "", _ labels: [(String, String)] = [], _ value: String
    ) {
        text += family.rawValue + suffix
        if !labels.isEmpty {
            let pairs = labels.map { "\($0.0)=\"\(Self.escaped($0.1, quote: true))\"" }
            text += "{\(pairs.joined(separator: ","))}"
        }
        text += " \(value)\n"
    }

    mutating func sample(_ family: MetricFamily, _ labels: [(String, String)] = [], _ value: Int) {
        sample(family, labels, String(value))
    }

    /// Nanoseconds, written as seconds.
    static func seconds(_ nanoseconds: Int64) -> String { "\(Double(nanoseconds) / 1e9)" }

    private static func escaped(_ text: String, quote: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quote: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
