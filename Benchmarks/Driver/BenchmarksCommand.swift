import Dispatch
import Foundation

/// `make bench`: measures the release binary over real sockets; each figure has its baseline in the same run.
///
/// The program is also its own load generator, receiver and baseline server: each is a process of its own, so
/// that none shares a heap, a lock or a thread pool with what is measured.
@main
struct BenchmarksCommand {
    static func main() async {
        signal(SIGPIPE, SIG_IGN)
        let arguments = Array(CommandLine.arguments.dropFirst())
        do {
            switch arguments.first {
            case "load": try LoadGenerator(arguments).run()
            case "receive": try Receiver(arguments).run()
            case "no-op": try await NoOpServer.run(arguments)
            case "-h", "--help": say(BenchmarkOptions.help)
            default: try measure(BenchmarkOptions(arguments))
            }
        } catch let error as UsageError {
            fail("\(error)\n\n\(BenchmarkOptions.help)", status: 64)
        } catch {
            fail("\(error)", status: 1)
        }
    }

    private static func measure(_ options: BenchmarkOptions) throws {
        let suite = try Suite(options)
        let folder = suite.folder
        let interrupts = [SIGINT, SIGTERM].map { number in
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { @Sendable in
                Child.endAll()
                try? FileManager.default.removeItem(atPath: folder)
                exit(128 + number)
            }
            source.resume()
            return source
        }
        defer {
            for source in interrupts { source.cancel() }
            try? FileManager.default.removeItem(atPath: folder)
        }
        try suite.run()
    }

    private static func fail(_ text: String, status: Int32) -> Never {
        FileHandle.standardError.write(Data("benchmark: \(text)\n".utf8))
        exit(status)
    }
}

/// Why a measurement is not one.
struct BenchmarkError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Writes a line at once: standard output is a pipe between the benchmark's processes.
func say(_ line: String) {
    FileHandle.standardOutput.write(Data("\(line)\n".utf8))
}
