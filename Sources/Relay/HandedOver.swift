import Synchronization

/// A value that somebody takes, once: whoever has handed it over does not keep it in memory.
final class HandedOver<Value: Sendable>: Sendable {
    private let value: Mutex<Value?>

    init(_ value: Value) { self.value = Mutex(value) }

    /// Nil where it was taken before.
    func take() -> Value? { value.withLock { $0.take() } }
}
