/// The relay's own version, as `--version` and the metrics show it.
enum RelayVersion {
    static let current = "0.1.0"
}
