public import Foundation

extension Thread {
    /// Starts a thread whose name, of 15 bytes at most, shows in debuggers and in `top -H`.
    public static func start(named name: String, _ body: @escaping @Sendable () -> Void) {
        let thread = Thread {
            // The system's thread has none before it runs.
            Thread.current.name = name
            body()
        }
        thread.start()
    }
}
