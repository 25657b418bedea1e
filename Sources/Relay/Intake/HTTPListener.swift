public import Config
import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
package import Logging
import NIOCore
import NIOPosix
import NIOSSL
import ServiceLifecycle

/// One HTTP or HTTPS listener with everything about it bounded; the intake and the admin side each run one.
package final class HTTPListener: Sendable {
    /// What a listener allows.
    package struct Bounds: Sendable {
        /// See ``ConnectionBounds``.
        var requestTimeout: Duration
        var connectionsMax: Int
        /// Bytes of an unwanted body that are read and dropped after an answer that ends the connection.
        var drainBytesMax: Int
        /// How long a graceful stop waits for requests under way.
        var shutdownTimeout: Duration

        package init(
            requestTimeout: Duration, connectionsMax: Int, drainBytesMax: Int, shutdownTimeout: Duration
        ) {
            self.requestTimeout = requestTimeout
            self.connectionsMax = connectionsMax
            self.drainBytesMax = drainBytesMax
            self.shutdownTimeout = shutdownTimeout
        }
    }

    package typealias Responder = @Sendable (inout Exchange) async throws -> HTTPAnswer

    private let address: ListenAddress
    private let tls: Config.TLSConfiguration?
    private let bounds: Bounds
    private let gate: ConnectionGate
    private let clock: any RelayClock
    private let logger: Logger
    private let bound = OneShot<Result<ListenAddress, ListenError>>()

    package init(
        address: ListenAddress, tls: Config.TLSConfiguration?, bounds: Bounds, clock: any RelayClock,
        logger: Logger, onRefusedConnection: @escaping @Sendable () -> Void
    ) {
        self.address = address
        self.tls = tls
        self.bounds = bounds
        self.clock = clock
        self.logger = logger
        gate = ConnectionGate(maximum: bounds.connectionsMax, onRefusal: onRefusedConnection)
    }

    /// Where it really listens, once it does; throws where it could not.
    var boundAddress: ListenAddress {
        get async throws(ListenError) { try await bound.value.get() }
    }

    /// Serves until the service group stops it gracefully, or its task is cancelled.
    package func run(
        onListening: @escaping @Sendable () -> Void, _ respond: @escaping Responder
    ) async throws {
        let server: any Service
        do {
            server = try makeServer(onListening, respond)
        } catch {
            let failure = ListenError(address: address, reason: "TLS: \(error)")
            bound.resolve(.failure(failure))
            throw failure
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [bound, address] in
                do {
                    try await server.run()
                } catch {
                    let failure = ListenError(address: address, reason: "\(error)")
                    bound.resolve(.failure(failure))
                    throw failure
                }
            }
            group.addTask { [clock, bounds] in
                // Ends on cancellation when the server is done first.
                do { try await gracefulShutdown() } catch { return }
                try? await clock.sleep(for: bounds.shutdownTimeout)
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func makeServer(
        _ onListening: @escaping @Sendable () -> Void, _ respond: @escaping Responder
    ) throws -> any Service {
        let (gate, timeout) = (gate, bounds.requestTimeout)
        let tls = try tls.map(Self.tlsConfiguration)
        let builder = HTTPServerBuilder { responder in
            let http = HTTP1Channel(
                responder: responder,
                configuration: .init(
                    additionalChannelHandlers: [ConnectionBounds(timeout: timeout, gate: gate)],
                    // Okta sends ten headers or so, the operator's own ones included.
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: 16 * 1024, maxHeaderListSize: 32 * 1024, maxHeaderFieldCount: 100)
                )
            )
            guard let tls else { return LoopBoundChannel(http) }
            return LoopBoundChannel(try TLSChannel(http, tlsConfiguration: tls))
        }
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        return try builder.buildServer(
            configuration: .init(address: .hostname(address.host, port: address.port), backlog: 1_024),
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            logger: quiet
        ) { [bounds] (request, writer: consuming ResponseWriter, channel) in
            var exchange = Exchange(request: request, writer: writer, channel: channel)
            let answer = try await respond(&exchange)
            try await exchange.finish(answer, drainBytesMax: bounds.drainBytesMax)
        } onServerRunning: { [address, bound, clock, logger] channel in
            // Where it could not be added, the listener is closing already.
            try? await channel.eventLoop.submit {
                try channel.pipeline.syncOperations.addHandler(
                    AcceptPause(clock: clock, logger: logger), position: .first)
            }.get()
            let address = ListenAddress(host: address.host, port: channel.localAddress?.port ?? address.port)
            logger.notice("listening", metadata: ["address": .stringConvertible(address)])
            bound.resolve(.success(address))
            onListening()
        }
    }

    private static func tlsConfiguration(
        _ files: Config.TLSConfiguration
    ) throws -> NIOSSL.TLSConfiguration {
        let chain = try NIOSSLCertificate.fromPEMFile(files.certificatePath)
        let key = try NIOSSLPrivateKey(file: files.keyPath, format: .pem)
        return .makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
    }
}

/// Why a listener could not start.
public struct ListenError: Error, Sendable, CustomStringConvertible {
    public let address: ListenAddress
    public let reason: String

    public var description: String {
        "cannot listen at \(address): \(reason). Is another process there, and may this one use the port?"
    }
}
