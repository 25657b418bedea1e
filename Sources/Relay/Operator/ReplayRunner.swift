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
        var told: JournalError?
        for await _ in hands.replayNews().cancelOnGracefulShutdown() {
            while !Task.isShuttingDownGracefully, !Task.isCancelled, await advance(&told) {}
        }
    }

    /// - Parameter told: What was logged since nothing was left to do: it may last for days.
    private func advance(_ told: inout JournalError?) async -> Bool {
        do throws(JournalError) {
            let isMore = try await hands.advanceReplays()
            if !isMore { told = nil }
            return isMore
        } catch .closed {
            return false
        } catch {
            if error != told {
                logger.warning(
                    "a replay cannot go on; it is tried again",
                    metadata: ["reason": "\(error.reason)", "every": "\(Self.retry)"])
            }
            told = error
            await hands.clock.sleepUnlessStopping(for: Self.retry)
            return true
        }
    }
}
