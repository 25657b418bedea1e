/// Every default and maximum of the config file, each with its unit.
public enum Limits {
    /// Bytes.
    ///
    /// Okta documents no maximum for an envelope and never retries a 413, so this is generous.
    public static let bodyBytesDefault = 16 * 1024 * 1024
    public static let requestTimeoutDefault = Duration.seconds(10)
    public static let connectionsDefault = 1_000
    public static let shutdownTimeoutDefault = Duration.seconds(10)
    public static let retentionDefault = Duration.seconds(30 * 86_400)
    /// Bytes.
    public static let journalSizeDefault = 10 * 1024 * 1024 * 1024
    /// Bytes; a smaller journal would be full of its own write-ahead log.
    public static let journalSizeMin = 64 * 1024 * 1024
    public static let receiptsDefault = Duration.seconds(400 * 86_400)
}
