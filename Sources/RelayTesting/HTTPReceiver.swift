import Foundation
import Glibc
import Synchronization

/// A recording HTTP/1.1 server on a real loopback socket, which behaves as badly as a test asks for.
///
/// Each connection has a thread of its own. Every request is recorded when it was read whole, before the
/// script is asked what to do with it.
public final class HTTPReceiver: Sendable {
    /// A request as it arrived.
    public struct Request: Sendable {
        public let method: String
        /// Path and query.
        public let target: String
        /// In order, names in lower case.
        public let headers: [(name: String, value: String)]
        public let body: [UInt8]
        /// From 1, over all connections.
        public let number: Int
        /// From 1: the connection it came over.
        public let connection: Int
        /// From 1: its place on that connection.
        public let numberOnConnection: Int

        public func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
        public var text: String { String(decoding: body, as: UTF8.self) }
    }

    /// What is done with a request.
    public enum Behaviour: Sendable {
        /// Answers, and keeps the connection unless `closes`.
        case respond(_ status: Int, headers: [String] = [], body: String = "", closes: Bool = false)
        /// Closes the connection without a byte.
        case closeBeforeResponse
        /// Promises a body, sends a part of it, and closes.
        case cutBody(_ status: Int)
        /// Sends a status line and closes within the head.
        case cutHead
        /// Closes within the status line.
        case cutStatusLine
        /// Sends these bytes, whatever they are, and keeps the connection.
        case raw(String)
        /// Never answers.
        case silence
        /// Answers only when that many requests are there together.
        case gather(_ count: Int, _ status: Int)
        /// Answers after ``HTTPReceiver/release()``.
        case hold(_ status: Int)
    }

    private struct State {
        var requests: [Request] = []
        var connections = 0
        var open: Set<Int32> = []
        var waiting = 0
        var isReleased = false
        var isStopped = false
        var isListenerClosed = false
    }

    /// The port it listens at.
    public let port: Int
    private let listener: Int32
    private let script: @Sendable (Request) -> Behaviour
    private let condition = NSCondition()
    private let state = Mutex(State())
    private let arrivals = AsyncStream<Int>.makeStream()

    /// Listens at 127.0.0.1.
    ///
    /// - Parameter port: 0 lets the system choose a free one.
    public init(
        port: Int = 0, script: @escaping @Sendable (Request) -> Behaviour = { _ in .respond(200) }
    ) throws {
        self.script = script
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard listener >= 0 else { throw POSIXError.ofLastCall }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = in_port_t(port).bigEndian
        // A port that was just given back may be had again.
        var yes: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 128) == 0
                    && getsockname(listener, $0, &length) == 0
            }
        }
        guard isListening else {
            let reason = POSIXError.ofLastCall
            close(listener)
            throw reason
        }
        self.listener = listener
        self.port = Int(UInt16(bigEndian: address.sin_port))
        let thread = Thread { [self] in acceptAll() }
        thread.start()
    }

    /// `http://127.0.0.1:port`.
    public var url: String { "http://127.0.0.1:\(port)" }

    /// What has arrived so far, in order.
    public var requests: [Request] { state.withLock { $0.requests } }

    /// Connections that were opened so far.
    public var connections: Int { state.withLock { $0.connections } }

    /// Waits until that many requests have arrived since the start.
    public func waitForRequests(_ count: Int) async {
        guard requests.count < count else { return }
        for await number in arrivals.stream where number >= count { return }
    }

    /// Closes every connection and listens no more; a test must call it, for the threads hold the receiver.
    public func stop() {
        // Under the lock, and the listener only while it is open: once closed, its number is soon another
        // test's socket.
        state.withLock { state in
            state.isStopped = true
            if !state.isListenerClosed { shutdown(listener, Int32(SHUT_RDWR)) }
            for descriptor in state.open { shutdown(descriptor, Int32(SHUT_RDWR)) }
        }
        condition.lock()
        condition.broadcast()
        condition.unlock()
    }

    // MARK: - Threads

    private func acceptAll() {
        while true {
            let descriptor = accept(listener, nil, nil)
            guard descriptor >= 0 else {
                // A listener that ended here would show as a server that refuses, far from the reason.
                let reason = errno
                if state.withLock({ $0.isStopped }) { break }
                guard [EINTR, ECONNABORTED].contains(reason) else {
                    preconditionFailure("cannot accept a connection: \(String(cString: strerror(reason)))")
                }
                continue
            }
            let number: Int? = state.withLock { state in
                guard !state.isStopped else { return nil }
                state.open.insert(descriptor)
                state.connections += 1
                return state.connections
            }
            guard let number else {
                close(descriptor)
                break
            }
            Thread { [self] in
                serve(descriptor, number)
                state.withLock { state in
                    state.open.remove(descriptor)
                    close(descriptor)
                }
            }.start()
        }
        state.withLock { state in
            state.isListenerClosed = true
            close(listener)
        }
    }

    private func serve(_ descriptor: Int32, _ connection: Int) {
        var reader = HTTPRequestReader(descriptor: descriptor)
        var count = 0
        while let message = reader.next() {
            count += 1
            let request = state.withLock { state in
                let request = Request(
                    method: message.method, target: message.target, headers: message.headers,
                    body: message.body, number: state.requests.count + 1, connection: connection,
                    numberOnConnection: count)
                state.requests.append(request)
                return request
            }
            let behaviour = script(request)
            arrivals.continuation.yield(request.number)
            guard act(behaviour, descriptor) else { return }
        }
    }

    /// False when the connection is to be closed.
    private func act(_ behaviour: Behaviour, _ descriptor: Int32) -> Bool {
        switch behaviour {
        case .respond(let status, let headers, let body, let closes):
            return respond(status, headers, body, descriptor) && !closes
        case .closeBeforeResponse: return false
        case .cutBody(let status):
            _ = send("HTTP/1.1 \(status) Scripted\r\nContent-Length: 100\r\n\r\n{\"half\":", descriptor)
            return false
        case .cutHead:
            _ = send("HTTP/1.1 200 Scripted\r\nContent-Le", descriptor)
            return false
        case .cutStatusLine:
            _ = send("HTTP/1.", descriptor)
            return false
        case .raw(let text): return send(text, descriptor)
        case .silence:
            var byte: UInt8 = 0
            // Until the peer goes away, or `stop()`.
            while recv(descriptor, &byte, 1, 0) > 0 {}
            return false
        case .gather(let count, let status):
            gather(count)
            return respond(status, [], "", descriptor)
        case .hold(let status):
            condition.lock()
            while state.withLock({ !$0.isReleased && !$0.isStopped }) { condition.wait() }
            condition.unlock()
            return respond(status, [], "", descriptor)
        }
    }

    /// Answers every request that is held, and holds none any more.
    public func release() {
        state.withLock { $0.isReleased = true }
        condition.lock()
        condition.broadcast()
        condition.unlock()
    }

    private func gather(_ count: Int) {
        condition.lock()
        defer { condition.unlock() }
        let arrived = state.withLock { state in
            state.waiting += 1
            return state.waiting
        }
        if arrived % count == 0 { condition.broadcast() }
        let goal = (arrived + count - 1) / count * count
        while state.withLock({ $0.waiting < goal && !$0.isStopped }) { condition.wait() }
    }

    private func respond(_ status: Int, _ headers: [String], _ body: String, _ descriptor: Int32) -> Bool {
        let lines = ["HTTP/1.1 \(status) Scripted", "Content-Length: \(body.utf8.count)"] + headers
        let hasBody = status != 204 && status != 304
        let head = (hasBody ? lines : lines.filter { !$0.hasPrefix("Content-Length") }).joined(
            separator: "\r\n")
        return send(head + "\r\n\r\n" + (hasBody ? body : ""), descriptor)
    }

    private func send(_ text: String, _ descriptor: Int32) -> Bool {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            bytes = bytes.dropFirst(count)
        }
        return true
    }
}

/// Reads requests with a Content-Length off a blocking socket.
private struct HTTPRequestReader {
    let descriptor: Int32
    var buffer: [UInt8] = []

    mutating func next() -> (
        method: String, target: String, headers: [(name: String, value: String)], body: [UInt8]
    )? {
        let separator = Array("\r\n\r\n".utf8)
        var end = buffer.firstRange(of: separator)
        while end == nil {
            guard fill() else { return nil }
            end = buffer.firstRange(of: separator)
        }
        guard let end else { return nil }
        let lines = String(decoding: buffer[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        buffer = Array(buffer[end.upperBound...])
        let words = lines[0].split(separator: " ")
        guard words.count == 3 else { return nil }
        let headers = lines.dropFirst().map { line -> (name: String, value: String) in
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
            return (parts[0].lowercased(), value)
        }
        let length = headers.first { $0.name == "content-length" }.flatMap { Int($0.value) } ?? 0
        while buffer.count < length {
            guard fill() else { return nil }
        }
        let body = Array(buffer[..<length])
        buffer = Array(buffer[length...])
        return (String(words[0]), String(words[1]), headers, body)
    }

    private mutating func fill() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        guard count > 0 else { return false }
        buffer.append(contentsOf: chunk[..<count])
        return true
    }
}
