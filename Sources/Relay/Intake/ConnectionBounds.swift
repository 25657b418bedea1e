import NIOCore
import NIOHTTPTypes
import Synchronization

/// Bounds the time in which a client must do its part on one connection, and with ``ConnectionGate`` their
/// number.
///
/// The client has `timeout` from the connection's start to the end of its first request (the TLS handshake
/// and slow header bytes included), from one answer to the head of the next request, from a head to that
/// request's end, and for taking an answer off a full socket. While the relay is at work nothing runs.
final class ConnectionBounds: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// How long the answer to a timed-out request may take before the connection is closed without one.
    private static let lastWords = TimeAmount.seconds(2)

    private let timeout: TimeAmount
    private let gate: ConnectionGate
    private var isCounted = false
    private var isReadingRequest = false
    private var requestsUnanswered = 0
    /// When the client's time is over; nil while it has nothing to do.
    private var deadline: NIODeadline?
    /// Runs at `deadline` or before, and then looks again: a timer of its own for every request would cost
    /// more than the rest of this.
    private var timer: Scheduled<Void>?
    /// Whether the client's time is over already, and only the answer that says so may still go out.
    private var isExpired = false

    init(timeout: Duration, gate: ConnectionGate) {
        self.timeout = .nanoseconds(timeout.nanoseconds)
        self.gate = gate
    }

    func handlerAdded(context: ChannelHandlerContext) {
        isCounted = true
        if gate.enter() {
            arm(context)
        } else {
            // Only the next turn of the loop may close it: the channel is still being set up.
            context.eventLoop.assumeIsolated().execute { context.close(promise: nil) }
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { leave() }

    func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            // The first request's time began with the connection.
            if requestsUnanswered > 0 || deadline == nil || hasAnswered { arm(context) }
            isReadingRequest = true
            requestsUnanswered += 1
        case .body: break
        case .end:
            isReadingRequest = false
            disarm()
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) {
            hasAnswered = true
            requestsUnanswered -= 1
            if requestsUnanswered <= 0, !isReadingRequest { arm(context) }
        }
        context.write(data, promise: promise)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if !context.channel.isWritable {
            arm(context)
        } else if requestsUnanswered > 0, !isReadingRequest {
            disarm()
        }
        context.fireChannelWritabilityChanged()
    }

    /// A client that has sent all it wants and got its answers is not waited for: over TLS nobody else would
    /// answer its farewell, and both sides would sit out a timeout.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        context.fireUserInboundEventTriggered(event)
        if case ChannelEvent.inputClosed = event, requestsUnanswered <= 0 { context.close(promise: nil) }
    }

    // MARK: - Private

    private var hasAnswered = false

    private func arm(_ context: ChannelHandlerContext) {
        isExpired = false
        setDeadline(in: timeout, context)
    }

    private func disarm() {
        isExpired = false
        deadline = nil
    }

    private func setDeadline(in time: TimeAmount, _ context: ChannelHandlerContext) {
        let due = context.eventLoop.now + time
        deadline = due
        if timer == nil { startTimer(until: due, context) }
    }

    private func startTimer(until due: NIODeadline, _ context: ChannelHandlerContext) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: due) {
            self.timer = nil
            guard let deadline = self.deadline else { return }
            if deadline > context.eventLoop.now { return self.startTimer(until: deadline, context) }
            self.deadline = nil
            self.timedOut(context)
        }
    }

    /// A request under way is told to whoever reads its body, and can still be answered; an idle connection,
    /// or one whose head never came, is just closed.
    private func timedOut(_ context: ChannelHandlerContext) {
        guard isReadingRequest, context.channel.isWritable, !isExpired else {
            return context.close(promise: nil)
        }
        isExpired = true
        setDeadline(in: Self.lastWords, context)
        context.fireErrorCaught(RequestTimeout())
    }

    private func leave() {
        disarm()
        timer?.cancel()
        timer = nil
        if isCounted {
            isCounted = false
            gate.leave()
        }
    }
}

/// The client did not send its whole request in time.
struct RequestTimeout: Error {}

/// Counts a listener's connections; what comes over the maximum is closed at once.
final class ConnectionGate: Sendable {
    private let maximum: Int
    private let open = Atomic<Int>(0)
    private let onRefusal: @Sendable () -> Void

    init(maximum: Int, onRefusal: @escaping @Sendable () -> Void) {
        self.maximum = maximum
        self.onRefusal = onRefusal
    }

    /// Counts a connection in, whether it may stay or not; each is counted out by one ``leave()``.
    func enter() -> Bool {
        let (_, count) = open.add(1, ordering: .relaxed)
        if count > maximum { onRefusal() }
        return count <= maximum
    }

    func leave() { open.subtract(1, ordering: .relaxed) }
}
