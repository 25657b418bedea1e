/// Has calls made one after another, in the order in which they joined the line.
struct CallLine {
    /// One call's place.
    struct Place: Sendable {
        fileprivate let before: OneShot<Void>?
        fileprivate let own = OneShot<Void>()

        /// Waits until all calls before this one have ended.
        func comes() async { await before?.value }

        /// To be told once it has come, whether the call was made or not.
        func ended() { own.resolve(()) }
    }

    private var last: Place?

    mutating func join() -> Place {
        let place = Place(before: last?.own)
        last = place
        return place
    }
}
