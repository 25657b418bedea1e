import Foundation

/// Whether tests run in their long form, as `make soak` has them.
public enum Soak {
    /// `OKTA_RELAY_SOAK` is set.
    public static let isOn = ProcessInfo.processInfo.environment["OKTA_RELAY_SOAK"] != nil

    /// Tells what a test measured on its way; a plain `make test` says nothing.
    public static func report(_ figure: @autoclosure () -> String) {
        guard isOn else { return }
        FileHandle.standardError.write(Data("figure: \(figure())\n".utf8))
    }

    /// A number from the environment; else the test's own, for its short and its long form.
    public static func count(_ variable: String, short: Int, long: Int) -> Int {
        ProcessInfo.processInfo.environment[variable].flatMap { Int($0) } ?? (isOn ? long : short)
    }

    /// The seeds of a test: one that is named in the environment, or as many as ``count(_:short:long:)`` says.
    ///
    /// - Parameter name: `OKTA_RELAY_<name>_SEED` replays one, `OKTA_RELAY_<name>_SEEDS` runs so many.
    public static func seeds(_ name: String, short: Int, long: Int) -> Range<UInt64> {
        let one = ProcessInfo.processInfo.environment["OKTA_RELAY_\(name)_SEED"].flatMap { UInt64($0) }
        if let one { return one..<one + 1 }
        return 0..<UInt64(count("OKTA_RELAY_\(name)_SEEDS", short: short, long: long))
    }
}
