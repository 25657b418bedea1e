import Relay
import Rules

/// Decides whether an event still has something to say to a destination that holds one contact per user, and
/// what the user looks like there afterwards.
///
/// The shared fold over four aspects: `login` and `displayName`, `status`, and `active`, which a lock leaves
/// as it is. A contact is written whole, so what a request renders is the newest of each, whichever event
/// brings it: a create that arrives behind a newer deactivation makes an inactive contact, and a profile
/// update behind a deletion makes none.
enum HTTPUserFold {
    enum Result: Equatable {
        case rejected(String)
        /// Nothing to send; the state to keep where it changed.
        case superseded(FoldState?)
        /// To be sent with this user, as this operation; the state to keep once it was delivered.
        case send(EventDocument.User, Operation, FoldState?)
    }

    static let login = "login"
    static let displayName = "displayName"
    static let status = "status"
    static let active = "active"
    /// Kept of whom the destination has said that it has no contact; no aspect, so that it has no stamp.
    private static let absent = "absent"

    /// Applies several events of one user, in order; what they come to is sent once.
    ///
    /// What is superseded has no part in the operation.
    ///
    /// - Parameter hasUpdate: Whether there is a request to send a creation as, of whom is there already.
    static func apply(_ events: [Event], to before: FoldState?, hasUpdate: Bool) -> Result {
        var state = before
        var operations: [Operation] = []
        var result = Result.superseded(nil)
        for event in events {
            let next = fold(event, into: state)
            switch next {
            case .rejected: if operations.isEmpty { result = next }
            case .superseded(let after):
                state = after ?? state
                if operations.isEmpty { result = .superseded(state == before ? nil : state) }
            case .send(let user, let operation, let after):
                state = after ?? state
                operations.append(told(operation, of: before, hasUpdate: hasUpdate))
                result = .send(user, operation, nil)
            }
        }
        guard case .send(let user, _, _) = result else { return result }
        return .send(user, Operation.result(of: operations), state == before ? nil : state)
    }

    /// The state of a user that was sent, now that the answer has told whether the contact is there.
    static func state(_ state: FoldState, isThere: Bool) -> FoldState {
        var state = state
        state.values[absent] = isThere || state.isDeleted ? nil : "true"
        return state
    }

    private static func fold(_ event: Event, into before: FoldState?) -> Result {
        guard let user = event.user else { return .rejected("no user") }
        let meaning = event.meaning
        var state = before ?? FoldState()
        guard meaning.operation != .none else {
            // It changes nothing, but a contact that was deleted hears no more.
            return state.isDeleted ? .superseded(nil) : .send(view(of: user, meaning, in: state), .none, nil)
        }
        guard let stamp = event.stamp else { return .rejected("no usable `published` to order it by") }

        let wasToldOfDeletion = state.isDeleted && state.deleted != stamp
        let effect = state.apply(stamp, meaning.operation, carrying: fields(of: meaning, user))
        keep(user, meaning, effect, in: &state)
        let changed = state == before ? nil : state
        if effect.isSuperseded { return .superseded(changed) }
        switch (meaning.operation, effect.life) {
        case (.delete, .died): break
        case (.delete, .dead) where !wasToldOfDeletion: break
        case (.delete, _), (_, .dead): return .superseded(changed)
        default: break
        }
        return .send(view(of: user, meaning, in: state), meaning.operation, state)
    }

    /// Who is there already is not made again: a create may come late, or anew in a replay, and most
    /// destinations would make a second contact.
    ///
    /// Where nothing can be sent as an update, only a creation that was sent before keeps another one back.
    ///
    /// - Parameter before: What the destination was told of the user, before anything that goes with this.
    private static func told(
        _ operation: Operation, of before: FoldState?, hasUpdate: Bool
    ) -> Operation {
        guard operation == .create, let before, !before.isDeleted, !before.stamps.isEmpty,
            before.values[absent] == nil
        else { return operation }
        return hasUpdate || before.created != nil ? .update : .create
    }

    /// The aspects that an event says something about, in the order of their names below.
    private static func fields(of meaning: EventMeaning, _ user: EventUser) -> [String] {
        guard meaning.operation != .delete, meaning.operation != .none else { return [] }
        var fields: [String] = []
        if user.login != nil || user.nulls.contains(.login) { fields.append(login) }
        if user.displayName != nil || user.nulls.contains(.displayName) { fields.append(displayName) }
        if meaning.status != nil { fields.append(status) }
        if meaning.isActive != nil { fields.append(active) }
        return fields
    }

    private static func keep(
        _ user: EventUser, _ meaning: EventMeaning, _ effect: FoldEffect, in state: inout FoldState
    ) {
        let said = [
            login: user.login,
            displayName: user.displayName,
            status: meaning.status,
            active: meaning.isActive.map { $0 ? "true" : "false" },
        ]
        for field in effect.voided { state.values[field] = nil }
        for field in effect.written { state.values[field] = said[field] ?? nil }
        // Who was deleted leaves only stamps behind. What is newer than the deletion stays: the creation
        // that belongs to it may still be on its way.
        guard state.isDeleted, let deleted = state.deleted else { return }
        state.values = state.values.filter { value in state.stamps[value.key].map { $0 > deleted } ?? false }
    }

    /// The user as the destination shall see them: what is known, and else what this event says.
    private static func view(
        of user: EventUser, _ meaning: EventMeaning, in state: FoldState
    ) -> EventDocument.User {
        func isKnown(_ field: String) -> Bool { state.stamps[field] != nil && !state.isDeleted }
        func known(_ field: String, else said: String?) -> String? {
            isKnown(field) ? state.values[field] : said
        }
        var nulls = user.nulls
        if isKnown(login), state.values[login] == nil { nulls.insert(.login) }
        if isKnown(displayName), state.values[displayName] == nil { nulls.insert(.displayName) }
        return EventDocument.User(
            id: user.id,
            login: known(login, else: user.login),
            displayName: known(displayName, else: user.displayName),
            status: known(status, else: meaning.status),
            isActive: isKnown(active) ? state.values[active].map { $0 == "true" } : meaning.isActive,
            nulls: nulls
        )
    }
}
