import Synchronization

/// Has calls made one after another, in the order in which they joined the line.
struct CallLine {
    /// What the places of a line share until it is opened anew.
    fileprivate final class Door: Sendable {
        private let isShut = Mutex(false)

        var isOpen: Bool { isShut.withLock { !$0 } }
        func shut() { isShut.withLock { $0 = true } }
    }

    /// One call's place.
    struct Place: Sendable {
        fileprivate let before: OneShot<Void>?
        fileprivate let own = OneShot<Void>()
        fileprivate let door: Door

        /// Waits until all calls before this one have ended.
        ///
        /// - Returns: Whether the call is to be made: not where one before it has failed, or the line was
        ///   closed.
        func comes() async -> Bool {
            await before?.value
            return door.isOpen
        }

        /// To be told once it has come, whether the call was made or not.
        ///
        /// - Parameter isFailure: Whether the call has shown that those behind it would fail as well.
        func ended(isFailure: Bool) {
            if isFailure { door.shut() }
            own.resolve(())
        }
    }

    private var last: Place?
    private var door = Door()

    mutating func join() -> Place {
        let place = Place(before: last?.own, door: door)
        last = place
        return place
    }

    /// Of those that are in line none is called any more.
    func close() { door.shut() }

    /// Who joins from now on is called again: what has failed is known.
    mutating func open() { door = Door() }
}
