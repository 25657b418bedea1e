import Foundation
import Logging
import NIOCore
import NIOEmbedded
import RelayTesting
import Testing

@testable import Relay

/// A listener that can take no connection: it waits a moment, says so once, and goes on.
@Suite struct AcceptPauseTests {
    private let log = CapturedLog()
    private let clock = ManualClock()
    private let channel: EmbeddedChannel

    init() {
        let (log, clock) = (log, clock)
        channel = EmbeddedChannel(
            handler: AcceptPause(clock: clock, logger: Logger(label: "test") { _ in log }))
    }

    /// What the channel was told last of reading on by itself; nil where it was told nothing.
    private var autoRead: Bool? { channel.options.compactMap { $0.value as? Bool }.last }

    private func fail(_ code: CInt) {
        channel.pipeline.fireErrorCaught(IOError(errnoCode: code, reason: "accept"))
    }

    @Test(arguments: [EMFILE, ENFILE, ENOBUFS, ENOMEM])
    func itGoesOnAfterAMoment(_ code: CInt) throws {
        fail(code)
        #expect(autoRead == false)
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(199))
        #expect(autoRead == false)
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(autoRead == true)
        try channel.throwIfErrorCaught()
    }

    @Test func itIsToldOnceAMinute() {
        for _ in 0..<5 { fail(EMFILE) }
        #expect(log.lines.count == 1)
        clock.advance(by: .seconds(61))
        fail(EMFILE)
        #expect(log.lines.count == 2 && log.lines.allSatisfy { $0.contains("LimitNOFILE") })
    }

    @Test func anotherErrorIsTheServersBusiness() {
        fail(EBADF)
        #expect(autoRead == nil)
        #expect(throws: IOError.self) { try channel.throwIfErrorCaught() }
    }
}
