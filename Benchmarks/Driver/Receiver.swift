import Foundation

/// `receive`: the cheapest HTTP endpoint there can be: one thread, `poll`, and the same answer to everything.
struct Receiver {
    private static let answer = Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".utf8)

    /// Prints its port and serves until it is ended.
    func run() throws {
        let (listener, port) = try Sockets.listen()
        say("\(port)")
        var polls = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
        var buffers: [Int32: [UInt8]] = [:]
        var chunk = [UInt8](repeating: 0, count: 65_536)
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
                    buffers[descriptor]?.removeFirst(length)
                    _ = send(descriptor, Self.answer, Self.answer.count, 0)
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
