import Foundation

/// `receive`: the cheapest HTTP endpoint there can be: one thread, `poll`, and the same answer to everything.
///
/// A `GET` is not counted: its answer says how many requests there were, and ends the connection.
struct Receiver {
    private static let answer = Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".utf8)

    /// Prints its port and serves until it is ended.
    func run() throws {
        let (listener, port) = try Sockets.listen()
        say("\(port)")
        var polls = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
        var buffers: [Int32: [UInt8]] = [:]
        var chunk = [UInt8](repeating: 0, count: 65_536)
        var requests = 0
        while poll(&polls, nfds_t(polls.count), -1) >= 0 {
            for index in polls.indices.dropFirst() where polls[index].revents != 0 {
                let descriptor = polls[index].fd
                let count = recv(descriptor, &chunk, chunk.count, 0)
                guard count > 0 else {
                    close(descriptor)
                    polls[index].fd = -1
                    buffers[descriptor] = nil
                    continue
                }
                buffers[descriptor, default: []].append(contentsOf: chunk[..<count])
                while let length = Self.requestLength(buffers[descriptor, default: []]) {
                    let isQuestion = buffers[descriptor]?.starts(with: "GET ".utf8) == true
                    buffers[descriptor]?.removeFirst(length)
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

    /// Bytes of the first request in a buffer; nil while it is not whole.
    private static func requestLength(_ bytes: [UInt8]) -> Int? {
        guard !bytes.isEmpty else { return nil }
        return (bytes + [0]).withUnsafeBytes { buffer -> Int? in
            guard let start = buffer.baseAddress?.assumingMemoryBound(to: CChar.self),
                let end = strstr(start, "\r\n\r\n")
            else { return nil }
            let head = UnsafePointer(end) - start + 4
            guard let field = strstr(start, "ontent-Length: "), UnsafePointer(field) < UnsafePointer(end)
            else { return head }
            let body = atol(field + 15)
            return head + body <= bytes.count ? head + body : nil
        }
    }
}

/// A receiver in a process of its own.
final class ReceiverProcess {
    let port: Int
    private let child: Child

    init() throws {
        child = try Child.own(["receive"])
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
