import Glibc

/// Tells on the standard error which seeds were under way when the process dies of a trap, for then nobody
/// else can.
enum SeedsUnderWay {
    private static let coresMax = 64
    /// By core, each one more than the seed; 0 where there is none.
    private nonisolated(unsafe) static let seeds: UnsafeMutablePointer<UInt64> = {
        let seeds = UnsafeMutablePointer<UInt64>.allocate(capacity: coresMax)
        seeds.initialize(repeating: 0, count: coresMax)
        return seeds
    }()

    /// From now on; the process ends then.
    static func tellAtATrap() {
        seeds[0] = 0
        for signal in [SIGILL, SIGTRAP, SIGABRT, SIGSEGV] {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { signal in
                for core in 0..<SeedsUnderWay.coresMax where SeedsUnderWay.seeds[core] > 0 {
                    SeedsUnderWay.tell(SeedsUnderWay.seeds[core] - 1)
                }
                Glibc.signal(signal, SIG_DFL)
                raise(signal)
            }
            sigaction(signal, &action, nil)
        }
    }

    static func begin(_ seed: UInt64, core: Int) { seeds[core % coresMax] = seed + 1 }

    /// Without an allocation, which a signal's handler must not make.
    private static func tell(_ seed: UInt64) {
        write("the process died; perhaps in this seed: OKTA_RELAY_SIMULATION_SEED=")
        var (rest, unit) = (seed, UInt64(1))
        while seed / unit >= 10 { unit *= 10 }
        while unit > 0 {
            var digit = UInt8(ascii: "0") + UInt8(rest / unit)
            Glibc.write(STDERR_FILENO, &digit, 1)
            (rest, unit) = (rest % unit, unit / 10)
        }
        write(" swift test --filter deliveryKeepsItsPromisesUnderRandomFaults\n")
    }

    private static func write(_ text: StaticString) {
        Glibc.write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
    }
}
