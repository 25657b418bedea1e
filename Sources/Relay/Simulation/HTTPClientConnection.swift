import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// One kept-alive HTTP/1.1 connection with one request at a time: enough to play Okta, and to ask a relay's
/// own admin listener; sinks have libcurl.
///
/// Safe to use from any task; a second request while one is under way fails.
public final class HTTPClientConnection: Sendable {
    private let channel: any Channel
    private let target: HTTPTarget

    /// Connects, and over TLS shakes hands with the first request.
    ///
    /// - Parameter verifiesCertificate: False only to try a relay that has a certificate of its own making.
    public init(
        to target: HTTPTarget, timeout: Duration, verifiesCertificate: Bool = true
    ) async throws(ClientError) {
        self.target = target
        do {
            let tls = try target.isTLS ? Self.tlsContext(verifiesCertificate: verifiesCertificate) : nil
            channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connectTimeout(.nanoseconds(timeout.nanoseconds))
                .channelOption(.socketOption(.tcp_nodelay), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let pipeline = channel.pipeline.syncOperations
                        if let tls { try pipeline.addHandler(Self.tlsHandler(tls, host: target.host)) }
                        try pipeline.addHTTPClientHandlers()
                        try pipeline.addHandler(ClientExchangeHandler())
                    }
                }
                .connect(host: target.host, port: target.port)
                .get()
        } catch {
            throw .cannotConnect(
                reason: "cannot connect to \(target.authority): \(Self.cause(of: error))")
        }
    }

    /// Whether the other side has kept the connection open so far.
    public var isOpen: Bool { channel.isActive }

    /// Sends a request and collects the answer; after an error the connection is closed.
    public func send(_ request: ClientRequest, timeout: Duration) async throws(ClientError) -> ClientAnswer {
        let promise = channel.eventLoop.makePromise(of: ClientAnswer.self)
        let channel = channel
        let deadline = channel.eventLoop.scheduleTask(in: .nanoseconds(timeout.nanoseconds)) {
            promise.fail(ClientError.timedOut)
            channel.close(promise: nil)
        }
        channel.writeAndFlush(PendingExchange(head: head(of: request), body: request.body, promise: promise))
            .cascadeFailure(to: promise)
        defer { deadline.cancel() }
        do {
            return try await promise.futureResult.get()
        } catch let error as ClientError {
            throw error
        } catch {
            channel.close(promise: nil)
            throw .closed(reason: "the connection to \(target.authority) broke: \(error)")
        }
    }

    /// Closes the connection, whatever is under way.
    public func close() async { try? await channel.close() }

    private func head(of request: ClientRequest) -> HTTPRequestHead {
        var head = HTTPRequestHead(
            version: .http1_1, method: .init(rawValue: request.method), uri: request.path)
        head.headers.add(name: "Host", value: target.authority)
        for (name, value) in request.headers { head.headers.add(name: name, value: value) }
        if request.method != "GET" {
            head.headers.add(name: "Content-Length", value: String(request.body.count))
        }
        return head
    }

    /// The system's own words, where there are some.
    private static func cause(of error: any Error) -> String {
        let first = (error as? NIOConnectionError)?.connectionErrors.first?.error ?? error
        return (first as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(first)"
    }

    private static func tlsContext(verifiesCertificate: Bool) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if !verifiesCertificate { configuration.certificateVerification = .none }
        return try NIOSSLContext(configuration: configuration)
    }

    private static func tlsHandler(_ context: NIOSSLContext, host: String) throws -> NIOSSLClientHandler {
        // Server names are for names: an IP address there is an error (RFC 6066 §3).
        let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
        return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
    }
}

/// What to ask.
public struct ClientRequest: Sendable {
    public var method: String
    public var path: String
    /// Without `Host` and `Content-Length`, which are added.
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]

    public init(
        method: String, path: String, headers: [(name: String, value: String)] = [], body: [UInt8] = []
    ) {
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
    }
}

/// What came back.
public struct ClientAnswer: Sendable, Equatable {
    public let status: Int
    public let body: [UInt8]
    /// When its last byte had come; whoever waits for it may hear of it later.
    public let arrivedAt: ContinuousClock.Instant
}

/// Why no answer came back.
public enum ClientError: Error, Sendable, Equatable {
    case cannotConnect(reason: String)
    case timedOut
    case closed(reason: String)

    public var reason: String {
        switch self {
        case .cannotConnect(let reason), .closed(let reason): reason
        case .timedOut: "no answer in time"
        }
    }
}

/// One request on its way through the pipeline, and who waits for its answer.
private struct PendingExchange: Sendable {
    let head: HTTPRequestHead
    let body: [UInt8]
    let promise: EventLoopPromise<ClientAnswer>
}

/// Turns exchanges into request parts, and answer parts into kept promises.
private final class ClientExchangeHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = PendingExchange
    typealias OutboundOut = HTTPClientRequestPart

    private var waiting: EventLoopPromise<ClientAnswer>?
    private var status = 0
    private var body: [UInt8] = []

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let exchange = unwrapOutboundIn(data)
        guard waiting == nil else {
            exchange.promise.fail(ClientError.closed(reason: "another request is under way"))
            promise?.succeed()
            return
        }
        waiting = exchange.promise
        body = []
        context.write(wrapOutboundOut(.head(exchange.head)), promise: nil)
        if !exchange.body.isEmpty {
            let bytes = context.channel.allocator.buffer(bytes: exchange.body)
            context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
        }
        context.write(wrapOutboundOut(.end(nil)), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): status = Int(head.status.code)
        case .body(let part): body.append(contentsOf: part.readableBytesView)
        case .end:
            // An interim answer (1xx) is followed by the real one.
            guard status >= 200 else { return }
            waiting?.succeed(ClientAnswer(status: status, body: body, arrivedAt: .now))
            waiting = nil
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail("the exchange failed: \(error)")
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail("the other side closed the connection")
        context.fireChannelInactive()
    }

    private func fail(_ reason: String) {
        waiting?.fail(ClientError.closed(reason: reason))
        waiting = nil
    }
}
