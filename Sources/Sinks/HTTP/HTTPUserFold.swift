import Relay
import Rules

/// Decides whether an event still has something to say to a destination that holds one contact per user, and
/// what the user looks like there afterwards.
///
/// The shared fold over three aspects: `profile`, `status`, and `active`, which a lock leaves as it is. A
/// contact is written whole, so what a request renders is the newest of each, whichever event brings it: a
/// create that arrives behind a newer deactivation makes an inactive contact, and a profile update behind a
/// deletion makes none.
enum HTTPUserFold {
    enum Result: Equatable {
        case rejected(String)
        /// Nothing to send; the state to keep where it changed.
        case superseded(FoldState?)
        /// To be sent with this user; the state to keep once it was delivered.
        case send(EventDocument.User, FoldState?)
    }

    static let profile = "profile"
    static let status = "status"
    static let active = "active"

    static func apply(_ event: Event, to before: FoldState?) -> Result {
        guard let user = event.user else { return .rejected("no user") }
        let meaning = event.meaning
        var state = before ?? FoldState()
        guard meaning.operation != .none else {
            // It changes nothing, but a contact that was deleted hears no more.
            return state.isDeleted ? .superseded(nil) : .send(view(of: user, meaning, in: state), nil)
        }
        guard let stamp = event.stamp else { return .rejected("no usable `published` to order it by") }

        let wasToldOfDeletion = state.isDeleted && state.deleted != stamp
        let effect = state.apply(stamp, meaning.operation, carrying: fields(of: meaning))
        keep(user, meaning, effect, in: &state)
        let changed = state == before ? nil : state
        if effect.isSuperseded { return .superseded(changed) }
        switch (meaning.operation, effect.life) {
        case (.delete, .died): break
        case (.delete, .dead) where !wasToldOfDeletion: break
        case (.delete, _), (_, .dead): return .superseded(changed)
        default: break
        }
        return .send(view(of: user, meaning, in: state), state)
    }

    private static func fields(of meaning: EventMeaning) -> [String] {
        let life = (meaning.status == nil ? [] : [status]) + (meaning.isActive == nil ? [] : [active])
        switch meaning.operation {
        case .create, .update: return [profile] + life
        case .reactivate, .deactivate: return life
        case .delete, .none: return []
        }
    }

    private static func keep(
        _ user: EventUser, _ meaning: EventMeaning, _ effect: FoldEffect, in state: inout FoldState
    ) {
        if effect.voided.contains(profile) { clear(["login", "displayName"], in: &state) }
        if effect.voided.contains(status) { clear(["status"], in: &state) }
        if effect.voided.contains(active) { clear(["active"], in: &state) }
        if effect.written.contains(profile) {
            state.values["login"] = user.login
            state.values["displayName"] = user.displayName
        }
        if effect.written.contains(status) {
            state.values["status"] = meaning.status
        }
        if effect.written.contains(active) {
            state.values["active"] = meaning.isActive.map { $0 ? "true" : "false" }
        }
        // Who was deleted leaves only stamps behind.
        if state.isDeleted { state.values = [:] }
    }

    private static func clear(_ names: [String], in state: inout FoldState) {
        for name in names { state.values[name] = nil }
    }

    /// The user as the destination shall see them: what is known, and else what this event says.
    private static func view(
        of user: EventUser, _ meaning: EventMeaning, in state: FoldState
    ) -> EventDocument.User {
        let knowsProfile = state.stamps[profile] != nil && !state.isDeleted
        let knowsStatus = state.stamps[status] != nil && !state.isDeleted
        let knowsActive = state.stamps[active] != nil && !state.isDeleted
        return EventDocument.User(
            id: user.id,
            login: knowsProfile ? state.values["login"] : user.login,
            displayName: knowsProfile ? state.values["displayName"] : user.displayName,
            status: knowsStatus ? state.values["status"] : meaning.status,
            isActive: knowsActive ? state.values["active"].map { $0 == "true" } : meaning.isActive
        )
    }
}
