import Foundation

/// Times that a busy machine disturbs little: the best of many short passes.
enum BenchmarkClock {
    /// Nanoseconds for one of the inputs.
    static func nanoseconds<Input>(_ inputs: [Input], _ body: (Input) throws -> Void) rethrows -> Double {
        var best = Double.infinity
        let start = now
        // At least 60 passes, and as many more as fit a third of a second.
        var passes = 0
        while passes < 60 || now - start < 300_000_000 {
            best = min(best, try time { for input in inputs { try body(input) } })
            passes += 1
        }
        return best / Double(inputs.count)
    }

    /// Nanoseconds that the body takes.
    static func time(_ body: () throws -> Void) rethrows -> Double {
        let start = now
        try body()
        return Double(now - start)
    }

    private static var now: UInt64 { DispatchTime.now().uptimeNanoseconds }
}
