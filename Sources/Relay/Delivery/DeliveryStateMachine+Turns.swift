import Config

/// What it is not the turn of: nothing of it was sent, nothing counts as tried, and it waits where it was.
extension DeliveryStateMachine {
    /// It was not the attempt's turn.
    mutating func attemptDeferred(_ id: Int, _ deferral: Deferral, at now: Int64) {
        clockReads(now)
        guard let attempt = endAttempt(id) else { return }
        for offset in attempt.numbers.keys { tripwire.end(offset, .notDone, at: now) }
        let lanes = attempt.offsets.map { lane($0) }
        switch deferral {
        case .everybody(let wait):
            notBefore = max(notBefore, now + wait.nanoseconds)
            for (offset, lane) in zip(attempt.offsets, lanes) {
                // What was parked need not be read again for a moment.
                if isDelivering, parkedEntries[offset] != nil {
                    parkedReady.append(offset)
                } else {
                    putBack(offset, lane)
                }
            }
            for lane in lanes { release(lane) }
        case .itsUsers(let wait):
            for (offset, lane) in zip(attempt.offsets, lanes) { putBack(offset, lane) }
            for lane in lanes { keepWaiting(lane, until: now + wait.nanoseconds) }
        }
        rewindIfIdle()
    }

    /// Puts back what the sink has deferred after all; which lanes wait, and until when.
    mutating func putBackDeferred(
        _ receipts: [Receipt], of attempt: Attempt, at now: Int64
    ) -> [ParkedLanes.Lane: Int64] {
        var waiting: [ParkedLanes.Lane: Int64] = [:]
        for receipt in receipts {
            guard case .deferred(let wait) = receipt.outcome else { continue }
            for offset in (attempt.merged[receipt.offset] ?? []) + [receipt.offset] {
                let lane = lane(offset)
                waiting[lane] = max(waiting[lane] ?? .min, now + wait.nanoseconds)
                putBack(offset, lane)
            }
        }
        return waiting
    }

    /// What goes again and is known not to be there is no longer about to be sent, wherever it waits now.
    ///
    /// - Parameter intended: What was intended for this attempt; more may have been for one before.
    mutating func endIntents(_ receipts: [Receipt], of attempt: Attempt, intended: [Offset]) {
        for receipt in receipts where receipt.goesAgain && !receipt.isOutcomeUnknown {
            let offsets = (attempt.merged[receipt.offset] ?? []) + [receipt.offset]
            settlement.unsent(offsets.filter { unknown.contains($0) || intended.contains($0) })
        }
    }

    /// A lane has nothing more with the sink, and nothing of it goes before this time.
    mutating func keepWaiting(_ lane: ParkedLanes.Lane, until time: Int64) {
        busy.remove(lane)
        guard parked.isBlocked(lane) else { return deferred.insert(lane, until: time) }
        parked.wait(lane, until: time)
        if gathers { giveBackReady(of: parkedReady.filter { self.lane($0) == lane }) }
        parkBehind(lane)
    }
}

extension Receipt {
    /// Whether the delivery has not come to its end.
    var goesAgain: Bool {
        switch outcome {
        case .retry, .deferred: true
        case .delivered, .superseded, .skipped, .rejected: false
        }
    }
}
