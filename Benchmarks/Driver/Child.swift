import Foundation
import Synchronization

/// One process of a measurement.
final class Child {
    /// Those of this program that run, for ``endAll()``.
    private static let running = Mutex<Set<pid_t>>([])

    private let process = Process()
    private let output = Pipe()

    /// - Parameter log: Where its standard error goes; nowhere where nil.
    init(_ executable: String, _ arguments: [String], log: String? = nil) throws {
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.standardOutput = output
        if let log {
            // Not `FileManager.createFile`, which puts a new file in place of whatever is there, devices too.
            let descriptor = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw BenchmarkError("cannot write \(log)") }
            process.standardError = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        }
        process.terminationHandler = { ended in
            _ = Self.running.withLock { $0.remove(ended.processIdentifier) }
        }
        // One that ends at once is taken off the list behind its entry.
        try Self.running.withLock { running in
            try process.run()
            running.insert(process.processIdentifier)
        }
    }

    /// Kills every process that runs.
    static func endAll() {
        running.withLock { for process in $0 { kill(process, SIGKILL) } }
    }

    /// Another role of this program.
    static func own(_ arguments: [String]) throws -> Child {
        try Child(Bundle.main.executablePath ?? CommandLine.arguments[0], arguments)
    }

    var isRunning: Bool { process.isRunning }
    /// Whether it has ended without an error.
    var succeeded: Bool { !process.isRunning && process.terminationStatus == 0 }

    /// The first line that it prints.
    func line() -> String {
        String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Everything that it prints, when it has ended.
    func result() -> Data {
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return data
    }

    /// Ends it; `isGraceful` lets it finish what it does.
    func stop(isGraceful: Bool = false) {
        guard process.isRunning else { return }
        if !isGraceful { kill(process.processIdentifier, SIGKILL) } else { process.terminate() }
        process.waitUntilExit()
    }

    /// Resident memory in MB, now.
    var residentMegabytes: Double { megabytes("VmRSS:") }
    /// The most resident memory that it has had, in MB.
    var peakMegabytes: Double { megabytes("VmHWM:") }

    private func megabytes(_ name: String) -> Double {
        let status =
            (try? String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix(name) }
        return (line?.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0) / 1_024
    }

    /// Processor time that it has used, in seconds: unlike a rate it hardly depends on who else is busy.
    var processorSeconds: Double {
        let status =
            (try? String(contentsOfFile: "/proc/\(process.processIdentifier)/stat", encoding: .utf8)) ?? ""
        // Behind the name in parentheses: user and system time are the 12th and 13th field.
        let fields = status.drop { $0 != ")" }.split(separator: " ").dropFirst()
        let ticks = fields.dropFirst(11).prefix(2).compactMap { Double($0) }.reduce(0, +)
        return ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}
