import Dispatch
import Foundation

/// The few socket calls that the benchmark's own processes need.
enum Sockets {
    static func listen() throws -> (descriptor: Int32, port: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = loopback(port: 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound, Glibc.listen(descriptor, 1_024) == 0 else { throw BenchmarkError("no free port") }
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }

    /// A port that was free a moment ago.
    static func freePort() throws -> Int {
        let (descriptor, port) = try listen()
        close(descriptor)
        return port
    }

    static func connect(port: Int) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = loopback(port: port)
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else {
            close(descriptor)
            throw BenchmarkError("cannot connect to port \(port)")
        }
        setNoDelay(descriptor)
        return descriptor
    }

    /// Returns when somebody listens at the port.
    static func waitUntilOpen(port: Int) throws {
        for _ in 0..<10_000 {
            if let descriptor = try? connect(port: port) {
                close(descriptor)
                return
            }
            usleep(1_000)
        }
        throw BenchmarkError("nobody listens at port \(port)")
    }

    static func setNoDelay(_ descriptor: Int32) {
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    }

    static func setNonBlocking(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL, 0) | O_NONBLOCK)
    }

    static func get(port: Int, path: String, token: String) -> (status: Int, body: [UInt8])? {
        request("GET", port: port, path: path, token: token)
    }

    /// One request without a body, on a connection of its own; nil where nobody answers.
    static func request(
        _ method: String, port: Int, path: String, token: String
    ) -> (status: Int, body: [UInt8])? {
        guard let descriptor = try? connect(port: port) else { return nil }
        defer { close(descriptor) }
        let head =
            "\(method) \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \(token)\r\n"
            + "Content-Length: 0\r\nConnection: close\r\n\r\n"
        guard send(descriptor, head, head.utf8.count, 0) == head.utf8.count else { return nil }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while case let count = recv(descriptor, &chunk, chunk.count, 0), count > 0 {
            answer.append(contentsOf: chunk[..<count])
        }
        guard answer.count > 12, let status = Int(String(decoding: answer[9..<12], as: UTF8.self)) else {
            return nil
        }
        let text = Data(answer)
        guard let end = text.range(of: Data("\r\n\r\n".utf8)) else { return nil }
        return (status, Array(text[end.upperBound...]))
    }

    private static func loopback(port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        address.sin_port = UInt16(port).bigEndian
        return address
    }
}

/// Nanoseconds that only go forward.
func monotonic() -> Int64 { Int64(DispatchTime.now().uptimeNanoseconds) }
