import NIOCore
import NIOPosix
public import NIOSSL

/// A loopback HTTP/1.1 client that sends exactly the bytes a test gives it, whole or in pieces, sane or not.
public struct RawHTTPClient: ~Copyable {
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var received: [UInt8] = []

    /// Opens a connection to 127.0.0.1 for as long as the body runs.
    ///
    /// - Parameter tls: Speaks TLS and trusts what this says, where it is given.
    public static func connect<Value: Sendable>(
        port: Int, tls: TLSConfiguration? = nil, _ body: (inout RawHTTPClient) async throws -> Value
    ) async throws -> Value {
        let context = try tls.map { try NIOSSLContext(configuration: $0) }
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let context {
                        let handler = try NIOSSLClientHandler(context: context, serverHostname: "localhost")
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                    return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var client = RawHTTPClient(inbound: inbound.makeAsyncIterator(), outbound: outbound)
            return try await body(&client)
        }
    }

    /// Sends one whole request on a connection of its own, and takes its answer.
    public static func send(
        _ method: String, _ path: String, port: Int, tls: TLSConfiguration? = nil,
        headers: [(String, String)] = [], body: [UInt8]? = nil
    ) async throws -> RawHTTPResponse {
        try await connect(port: port, tls: tls) { client in
            try await client.send(request(method, path, headers: headers, body: body))
            return try await client.response()
        }
    }

    /// The bytes of a request; `Host`, and `Content-Length` where there is a body, are added.
    public static func request(
        _ method: String, _ path: String, headers: [(String, String)] = [], body: [UInt8]? = nil
    ) -> [UInt8] {
        var lines = ["\(method) \(path) HTTP/1.1", "Host: localhost"]
        lines += headers.map { "\($0.0): \($0.1)" }
        if let body { lines.append("Content-Length: \(body.count)") }
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + (body ?? [])
    }

    private init(
        inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
        outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) {
        self.inbound = inbound
        self.outbound = outbound
    }

    public func send(_ bytes: [UInt8]) async throws {
        try await outbound.write(ByteBuffer(bytes: bytes))
    }

    public func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    /// Takes the next answer; its body must have a `Content-Length`.
    public mutating func response() async throws -> RawHTTPResponse {
        let blank = Array("\r\n\r\n".utf8)
        var end = received.firstRange(of: blank)
        while end == nil {
            guard try await receive() else { throw RawHTTPError.closedEarly }
            end = received.firstRange(of: blank)
        }
        guard let end else { throw RawHTTPError.closedEarly }
        var answer = try RawHTTPResponse(head: String(decoding: received[..<end.lowerBound], as: UTF8.self))
        received.removeSubrange(..<end.upperBound)
        let length = answer["content-length"].flatMap { Int($0) } ?? 0
        while received.count < length {
            guard try await receive() else { throw RawHTTPError.closedEarly }
        }
        answer.body = Array(received.prefix(length))
        received.removeFirst(length)
        return answer
    }

    /// Waits until the server closes, and gives what else it had sent; a reset counts as a close.
    public mutating func untilClosed() async -> [UInt8] {
        do {
            while try await receive() {}
        } catch {
            // Reset by the peer: closed all the same.
        }
        return received
    }

    private mutating func receive() async throws -> Bool {
        guard let buffer = try await inbound.next() else { return false }
        received.append(contentsOf: buffer.readableBytesView)
        return true
    }
}

/// One answer, as it came.
public struct RawHTTPResponse: Sendable {
    public let status: Int
    /// In the order of the answer, names in lower case.
    public let headers: [(name: String, value: String)]
    public var body: [UInt8] = []

    init(head: String) throws {
        let lines = head.split(separator: "\r\n")
        let parts = lines.first?.split(separator: " ") ?? []
        guard parts.count >= 2, let status = Int(parts[1]) else { throw RawHTTPError.notHTTP }
        self.status = status
        headers = lines.dropFirst().map { line in
            let pair = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let value = pair.count > 1 ? pair[1].drop { $0 == " " } : ""
            return (pair[0].lowercased(), String(value))
        }
    }

    public var text: String { String(decoding: body, as: UTF8.self) }

    /// The first header of that name, in lower case.
    public subscript(name: String) -> String? { headers.first { $0.name == name }?.value }
}

/// What a ``RawHTTPClient`` found instead of an answer.
public enum RawHTTPError: Error, Sendable {
    case closedEarly
    case notHTTP
}
