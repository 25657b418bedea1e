public import Logging
public import ServiceLifecycle

/// Carries out replays in the background, also those that an earlier process could not finish.
public struct ReplayRunner: Service {
    /// How long it waits where the journal cannot commit.
    private static let retry = Duration.seconds(5)

    private let hands: Operator
    private let logger: Logger

    public init(_ hands: Operator, logger: Logger) {
        self.hands = hands
        self.logger = logger
    }

    public func run() async throws {
        for await _ in hands.replayNews().cancelOnGracefulShutdown() {
            while !Task.isShuttingDownGracefully, !Task.isCancelled, await advance() {}
        }
    }

    private func advance() async -> Bool {
        do throws(JournalError) {
            return try await hands.advanceReplays()
        } catch .closed {
            return false
        } catch {
            logger.warning(
                "a replay cannot go on; it is tried again",
                metadata: ["reason": "\(error.reason)", "after": "\(Self.retry)"])
            try? await cancelWhenGracefulShutdown { try await hands.clock.sleep(for: Self.retry) }
            return true
        }
    }
}
