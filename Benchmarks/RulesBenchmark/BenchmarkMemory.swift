import Foundation
import Rules

/// What a table takes in memory, its rules included, or a template.
///
/// Measured in a process of its own, where no freed memory of earlier tables hides the growth.
enum BenchmarkMemory {
    /// What is measured: `memory SHAPE COUNT`, or `memory template NAME`, as the benchmark calls itself.
    enum Subject {
        case table(BenchmarkRules.Shape, Int)
        case template(String)

        init?(_ arguments: [String]) {
            guard arguments.count == 4, arguments[1] == "memory" else { return nil }
            if arguments[2] == "template" {
                self = .template(arguments[3])
            } else if let count = Int(arguments[3]),
                let shape = BenchmarkRules.Shape.allCases.first(where: { "\($0)" == arguments[2] })
            {
                self = .table(shape, count)
            } else {
                return nil
            }
        }

        var arguments: [String] {
            switch self {
            case .table(let shape, let count): ["memory", "\(shape)", "\(count)"]
            case .template(let name): ["memory", "template", name]
            }
        }
    }

    /// Bytes of one subject, by a call of this program.
    static func bytes(of subject: Subject) throws -> Int {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0])
        process.arguments = subject.arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Int(String(decoding: output, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
            ?? 0
    }

    /// Bytes by which the process grows for one of them; small ones are made many times.
    static func measure(_ subject: Subject) throws -> Int {
        switch subject {
        case .table(let shape, let count):
            _ = RuleTable(try BenchmarkRules.make(1, shape))
            return try growth(max(1, 2_000 / count)) { RuleTable(try BenchmarkRules.make(count, shape)) }
        case .template(let name):
            _ = try BenchmarkTemplates.make(name)
            return try growth(2_000) { try BenchmarkTemplates.make(name) }
        }
    }

    private static func growth<Value>(_ copies: Int, _ make: () throws -> Value) rethrows -> Int {
        let before = residentBytes
        var values: [Value] = []
        for _ in 0..<copies { values.append(try make()) }
        return (residentBytes - before) / values.count
    }

    /// The process's memory by Linux's account; 0 elsewhere.
    private static var residentBytes: Int {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
        let fields = text.split(separator: " ")
        return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * 4_096
    }
}
