import Foundation

/// `receive`: the cheapest HTTP endpoint there can be: one thread, `poll`, and the same answer to everything.
///
/// A `GET` is not counted: its answer says how many requests there were, and ends the connection.
struct Receiver {
    private struct Connection {
        var received: [UInt8] = []
        /// Bytes of the request that is coming in, as soon as its head says so.
        var length: Int?

        /// The bytes of the first request, once it is whole.
        mutating func requestLength() -> Int? {
            if length == nil { length = Receiver.requestLength(received) }
            guard let length, length <= received.count else { return nil }
            return length
        }

        mutating func removeRequest(_ length: Int) {
            received.removeFirst(length)
            self.length = nil
        }
    }

    private static let answer = Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".utf8)
    private static let headEnd = Array("\r\n\r\n".utf8)
    private static let keyField = "\r\nIdempotency-Key: "

    /// Where each request's key and body are written, as a line with a tab between; nowhere where nil.
    private let keepPath: String?

    /// - Parameter arguments: `--keep FILE`, or nothing.
    init(_ arguments: [String]) {
        keepPath = arguments.firstIndex(of: "--keep").flatMap { arguments.dropFirst($0 + 1).first }
    }

    /// Prints its port and serves until it is ended.
    func run() throws {
        let kept = keepPath.map { open($0, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600) }
        if let kept, kept < 0 { throw BenchmarkError("cannot write \(keepPath ?? "")") }
        let (listener, port) = try Sockets.listen()
        say("\(port)")
        var polls = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
        var connections: [Int32: Connection] = [:]
        var chunk = [UInt8](repeating: 0, count: 65_536)
        var requests = 0
        while poll(&polls, nfds_t(polls.count), -1) >= 0 {
            for index in polls.indices.dropFirst() where polls[index].revents != 0 {
                let descriptor = polls[index].fd
                let count = recv(descriptor, &chunk, chunk.count, 0)
                guard count > 0 else {
                    close(descriptor)
                    polls[index].fd = -1
                    connections[descriptor] = nil
                    continue
                }
                connections[descriptor, default: Connection()].received.append(contentsOf: chunk[..<count])
                while let length = connections[descriptor]?.requestLength() {
                    let isQuestion = connections[descriptor]?.received.starts(with: "GET ".utf8) == true
                    if let kept, !isQuestion {
                        try Self.keep(connections[descriptor]?.received.prefix(length) ?? [], in: kept)
                    }
                    connections[descriptor]?.removeRequest(length)
                    requests += isQuestion ? 0 : 1
                    let answer = isQuestion ? Array("HTTP/1.1 200 OK\r\n\r\n\(requests)".utf8) : Self.answer
                    _ = send(descriptor, answer, answer.count, 0)
                    if isQuestion { shutdown(descriptor, Int32(SHUT_WR)) }
                }
            }
            polls.removeAll { $0.fd < 0 }
            if polls[0].revents != 0, case let descriptor = accept(listener, nil, nil), descriptor >= 0 {
                Sockets.setNoDelay(descriptor)
                polls.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
            }
        }
    }

    /// Writes a request down before it is answered: what is not answered may come again.
    private static func keep(_ request: ArraySlice<UInt8>, in file: Int32) throws {
        let bodyStart = request.firstRange(of: headEnd)?.upperBound ?? request.endIndex
        let head = String(decoding: request[..<bodyStart], as: UTF8.self)
        let key = head.range(of: keyField).map { head[$0.upperBound...].prefix { $0 != "\r\n" } } ?? ""
        let line = Array("\(key)\t".utf8) + request[bodyStart...] + [0x0A]
        guard write(file, line, line.count) == line.count else {
            throw BenchmarkError("the receiver cannot write what it gets")
        }
    }

    /// Bytes of the first request in a buffer; nil while its head is not whole.
    private static func requestLength(_ bytes: [UInt8]) -> Int? {
        guard !bytes.isEmpty else { return nil }
        return (bytes + [0]).withUnsafeBytes { buffer -> Int? in
            guard let start = buffer.baseAddress?.assumingMemoryBound(to: CChar.self),
                let end = strstr(start, "\r\n\r\n")
            else { return nil }
            let head = UnsafePointer(end) - start + 4
            guard let field = strstr(start, "ontent-Length: "), UnsafePointer(field) < UnsafePointer(end)
            else { return head }
            return head + atol(field + 15)
        }
    }
}

/// A receiver in a process of its own.
final class ReceiverProcess {
    let port: Int
    private let child: Child

    /// - Parameter path: Where it writes down what it is sent, if anywhere; see ``Deliveries``.
    init(keeping path: String? = nil) throws {
        child = try Child.own(["receive"] + (path.map { ["--keep", $0] } ?? []))
        guard let port = Int(child.line()) else { throw BenchmarkError("the receiver did not start") }
        self.port = port
    }

    /// Requests that it has answered so far.
    func requests() throws -> Int {
        guard let answer = Sockets.get(port: port, path: "/", token: ""),
            let count = Int(String(decoding: answer.body, as: UTF8.self))
        else { throw BenchmarkError("the receiver does not answer") }
        return count
    }

    func stop() { child.stop() }
}
