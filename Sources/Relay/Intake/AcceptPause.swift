import Foundation
import Logging
import NIOCore

/// Takes no connection for a moment where the process has no descriptor left for one.
///
/// What is left to itself asks the listening socket again at once, and takes a whole core until descriptors
/// are free (swift-nio's own pause works once). Connections wait in the kernel's queue meanwhile.
final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = any Channel

    private static let length = TimeAmount.milliseconds(200)
    /// Nanoseconds; one line in that time.
    private static let silence = Duration.seconds(60).nanoseconds

    private let clock: any RelayClock
    private let logger: Logger
    private var toldAt: Int64?

    init(clock: any RelayClock, logger: Logger) {
        self.clock = clock
        self.logger = logger
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError, Self.passes(error.errnoCode) else {
            return context.fireErrorCaught(error)
        }
        tell(error)
        let channel = context.channel
        // On a listener that has closed meanwhile there is nothing to pause or to go on with.
        try? channel.syncOptions?.setOption(.autoRead, value: false)
        context.eventLoop.assumeIsolated().scheduleTask(in: Self.length) {
            try? channel.syncOptions?.setOption(.autoRead, value: true)
        }
    }

    /// Whether somebody else has to close something first.
    private static func passes(_ code: CInt) -> Bool { [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(code) }

    private func tell(_ error: IOError) {
        let now = clock.now
        if let toldAt, now >= toldAt, now - toldAt < Self.silence { return }
        toldAt = now
        logger.warning(
            """
            no connection can be taken for now; raise the limit of open files (LimitNOFILE= in systemd, \
            ulimit -n), or lower server.maxConnections
            """,
            metadata: ["reason": "\(String(cString: strerror(error.errnoCode)))"]
        )
    }
}
