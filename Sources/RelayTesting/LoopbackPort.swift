import Foundation
import Synchronization

/// Ports of 127.0.0.1 for servers that a test starts in another process, or stops and starts again.
///
/// They lie below the range that the system takes ports of outgoing connections from, so a server that was
/// stopped finds its port free when it comes back.
public enum LoopbackPort {
    private static let range = 20_000..<32_000
    private static let next = Mutex(
        range.lowerBound + Int(ProcessInfo.processInfo.processIdentifier) * 40 % range.count)

    /// A port that nobody listens at, and that this process has not handed out before.
    public static func free() throws -> Int {
        try next.withLock { next in
            for _ in range {
                let port = next
                next = next + 1 < range.upperBound ? next + 1 : range.lowerBound
                if try isFree(port) { return port }
            }
            throw POSIXError(.EADDRINUSE)
        }
    }

    private static func isFree(_ port: Int) throws -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw POSIXError.ofLastCall }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        address.sin_port = in_port_t(port).bigEndian
        return withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
