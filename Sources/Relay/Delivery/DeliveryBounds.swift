/// How much one sink may have open.
public struct DeliveryBounds: Sendable, Equatable {
    /// Offsets between the cursor and where reading has come to, and endings that are not recorded when
    /// nothing more begins: what is in flight by then comes on top.
    var windowMax = 4_096
    /// Bytes of event bodies between the cursor and where reading has come to: from there on nothing is read
    /// ahead.
    var windowBytesMax: Int

    /// For the windows of all sinks together, so that many take no more memory than a few: an event takes
    /// some times the bytes of its body.
    private static let allWindowsBytes = 16 * 1024 * 1024
    private static let windowBytesMin = 64 * 1024

    /// The share of each of so many sinks.
    public init(sinks: Int = 1) {
        windowBytesMax = max(Self.windowBytesMin, Self.allWindowsBytes / max(1, sinks))
    }

    init(windowMax: Int) {
        self.init()
        self.windowMax = windowMax
    }
}
