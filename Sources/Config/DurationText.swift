/// A duration as the config and the command line write it.
public enum DurationText {
    /// What would be right, for the end of a message.
    public static var advice: String { TextFormat<Duration>.duration.advice }

    /// Reads `15s`, `24h`, `7d`; nil for anything else.
    public static func parse(_ text: String) -> Duration? { TextFormat<Duration>.duration.parse(text) }
}
