import Relay

/// How commands word times, sizes and durations.
enum Wording {
    /// An instant in RFC 3339, UTC, with milliseconds.
    static func time(_ nanoseconds: Int64) -> String { Timestamp(nanoseconds: nanoseconds).description }

    /// Bytes in the unit that leaves the number small: `512 B`, `1.2 MiB`.
    static func size(_ bytes: Int) -> String {
        var value = Double(bytes)
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if value < 1_024 { return unit == "B" ? "\(bytes) B" : "\(tenths(value)) \(unit)" }
            value /= 1_024
        }
        return "\(tenths(value)) TiB"
    }

    /// A duration in the unit that leaves the number small: `0.4 ms`, `12 s`, `3 h`.
    static func duration(_ duration: Duration) -> String {
        let seconds = Double(duration.nanoseconds) / 1e9
        return switch seconds {
        case ..<1: "\(tenths(seconds * 1_000)) ms"
        case ..<10: "\(tenths(seconds)) s"
        case ..<120: "\(Int(seconds)) s"
        case ..<7_200: "\(Int(seconds / 60)) min"
        case ..<172_800: "\(Int(seconds / 3_600)) h"
        default: "\(Int(seconds / 86_400)) d"
        }
    }

    /// `1 event`, `2 events`.
    static func count(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

    private static func tenths(_ value: Double) -> String {
        let rounded = (value * 10).rounded() / 10
        return "\(rounded)"
    }
}
