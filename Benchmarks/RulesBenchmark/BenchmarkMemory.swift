import Foundation
import Rules

/// What a table takes in memory, its rules included.
///
/// Measured in a process of its own, where no freed memory of earlier tables hides the growth.
enum BenchmarkMemory {
    /// `memory SHAPE COUNT`, as the benchmark calls itself.
    struct Request {
        let shape: BenchmarkRules.Shape
        let count: Int

        init?(_ arguments: [String]) {
            guard arguments.count == 4, arguments[1] == "memory", let count = Int(arguments[3]),
                let shape = BenchmarkRules.Shape.allCases.first(where: { "\($0)" == arguments[2] })
            else { return nil }
            self.shape = shape
            self.count = count
        }
    }

    /// Bytes of one table, by a call of this program.
    static func ofTable(_ count: Int, _ shape: BenchmarkRules.Shape) throws -> Int {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0])
        process.arguments = ["memory", "\(shape)", "\(count)"]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Int(String(decoding: output, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
            ?? 0
    }

    /// Bytes by which the process grows for a table; small ones are made many times.
    static func measure(_ request: Request) throws -> Int {
        let copies = max(1, 2_000 / request.count)
        _ = RuleTable(try BenchmarkRules.make(1, request.shape))
        let before = residentBytes
        var tables: [RuleTable] = []
        for _ in 0..<copies {
            tables.append(RuleTable(try BenchmarkRules.make(request.count, request.shape)))
        }
        return (residentBytes - before) / tables.count
    }

    /// The process's memory by Linux's account; 0 elsewhere.
    private static var residentBytes: Int {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
        let fields = text.split(separator: " ")
        return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * 4_096
    }
}
