import Foundation

extension Process {
    /// Starts it with no signal blocked.
    ///
    /// A child inherits its parent thread's mask, and the threads of Swift's pool block nearly every signal:
    /// such a child could not be stopped, and a shell would never hear that its own child ended.
    func runWithSignals() throws {
        var none = sigset_t()
        var before = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try run()
    }
}
