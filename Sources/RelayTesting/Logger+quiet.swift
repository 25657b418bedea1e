public import Logging

extension Logger {
    /// For what a test does not read: it says nothing that is not critical.
    public static var quiet: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }
}
