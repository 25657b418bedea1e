public import Foundation

extension Thread {
    /// Starts a thread whose name, of 15 bytes at most, shows in debuggers and in `top -H`.
    ///
    /// - Parameter niceness: 0 to 19: how much more than the thread that starts it it gives way to others
    ///   where there are too few processors. Other systems than Linux have none for a thread.
    public static func start(
        named name: String, niceness: Int32 = 0, _ body: @escaping @Sendable () -> Void
    ) {
        let thread = Thread {
            // The system's thread has none before it runs.
            Thread.current.name = name
            #if os(Linux)
            // 0 is the thread that asks: https://man7.org/linux/man-pages/man2/setpriority.2.html (BUGS).
            let process = __priority_which_t(PRIO_PROCESS.rawValue)
            if niceness > 0 { setpriority(process, 0, min(19, getpriority(process, 0) + niceness)) }
            #endif
            body()
        }
        thread.start()
    }
}
