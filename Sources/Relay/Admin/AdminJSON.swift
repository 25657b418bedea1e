import Foundation
public import JSON

/// The JSON forms of what an operator sees, used by the admin API and by `--json` of the commands alike.
///
/// Names are camelCase, instants RFC 3339 in UTC, ages and durations numbers in seconds, sizes in bytes; a
/// member that has no value is `null` and never missing.
public enum AdminJSON {
    /// The journal's counts and every sink, as `/status` and `status --json` show them.
    ///
    /// - Parameter now: Nanoseconds since 1970.
    public static func write(
        status: JournalStatus, live: [String: LiveSinkState], now: Int64, to object: inout JSONWriter
    ) {
        object.name("events")
        object.object { events in
            events.member("accepted", status.accepted)
            events.member("duplicates", status.duplicates)
            events.member("unrouted", status.unrouted)
            events.member("quarantined", status.quarantined)
            events.member("expired", status.expired)
        }
        object.name("journal")
        object.object { journal in
            journal.member("horizon", status.horizon.rawValue)
            journal.member("sizeBytes", status.sizeBytes)
            journal.member("usedBytes", status.usedBytes)
            journal.member("maxBytes", status.sizeMaxBytes)
            journal.member("deadLettersExpired", status.deadLettersExpired)
            journal.member("quarantineExpired", status.quarantineExpired)
        }
        object.name("sinks")
        write(sinks: status.sinks, live: live, now: now, to: &object)
    }

    /// An array of sinks: the journal's account of each, and what its worker says of itself.
    public static func write(
        sinks: [SinkStatus], live: [String: LiveSinkState], now: Int64, to value: inout JSONWriter
    ) {
        value.array { array in
            for sink in sinks {
                array.object { write(sink: sink, live: live[sink.name], now: now, to: &$0) }
            }
        }
    }

    private static func write(
        sink: SinkStatus, live: LiveSinkState?, now: Int64, to object: inout JSONWriter
    ) {
        object.member("name", sink.name)
        object.member("state", live?.state.rawValue)
        object.member("reason", live?.reason)
        object.member("since", live.map { instant($0.since) })
        object.member("inFlight", live?.inFlight)
        object.member("cursor", sink.cursor.rawValue)
        object.member("waiting", sink.waiting)
        object.name("oldestWaitingSeconds")
        if let oldest = sink.oldestWaitingSince {
            object.double(Double(max(0, now - oldest)) / 1e9)
        } else {
            object.null()
        }
        object.member("delivered", sink.delivered)
        object.member("superseded", sink.superseded)
        object.member("skipped", sink.skipped)
        object.member("retried", sink.retried)
        object.member("parked", sink.parked)
        object.member("dead", sink.dead)
        object.member("detached", sink.detached)
        object.name("hold")
        guard let hold = sink.hold else { return object.null() }
        object.object {
            $0.member("kind", hold.kind.rawValue)
            $0.member("reason", hold.reason)
            $0.member("since", instant(hold.since))
        }
    }

    /// One accepted event; `event` is there only where the record has its body.
    public static func write(_ event: EventRecord, to value: inout JSONWriter) {
        value.object { object in
            object.member("id", event.id)
            object.member("receivedAt", instant(event.receivedAt))
            object.member("hook", event.hook)
            object.member("eventId", event.eventID)
            object.member("eventType", event.eventType)
            object.member("envelopeId", event.envelopeID)
            object.member("replay", event.replay)
            object.member("isUnrouted", event.route.isEmpty)
            object.name("route")
            object.array { route in
                for choice in event.route {
                    route.object {
                        $0.member("sink", choice.sink)
                        $0.member("rule", choice.rule)
                    }
                }
            }
            if let body = event.body { object.member("event", raw: body) }
        }
    }

    /// One dead letter; `event` is there only where the record has its body.
    public static func write(_ letter: DeadLetterRecord, to value: inout JSONWriter) {
        value.object { object in
            object.member("id", letter.id)
            object.member("sink", letter.sink)
            object.member("rule", letter.rule)
            object.member("eventId", letter.eventID)
            object.member("eventType", letter.eventType)
            object.member("userId", letter.userID)
            object.member("diedAt", instant(letter.diedAt))
            object.member("reason", letter.failures.last?.reason)
            object.member("attemptCount", letter.attemptCount)
            object.member("attemptsLeftOut", letter.attemptsLeftOut)
            object.name("attempts")
            object.array { attempts in
                for failure in letter.failures {
                    attempts.object {
                        $0.member("number", failure.number)
                        $0.member("at", instant(failure.at))
                        $0.member("status", failure.status)
                        $0.member("reason", failure.reason)
                        $0.name("tookSeconds")
                        if let took = failure.took {
                            $0.double(Double(took.nanoseconds) / 1e9)
                        } else {
                            $0.null()
                        }
                    }
                }
            }
            object.member("isExpired", letter.isExpired)
            object.name("event")
            if let body = letter.body { write(bytes: body, to: &object) } else { object.null() }
        }
    }

    /// One quarantined input; its bytes, where the record has them, are text if they are UTF-8, and Base64
    /// otherwise.
    public static func write(_ record: QuarantineRecord, to value: inout JSONWriter) {
        value.object { object in
            object.member("id", record.id)
            object.member("receivedAt", instant(record.receivedAt))
            object.member("hook", record.hook)
            object.member("reason", record.reason)
            object.member("sizeBytes", record.sizeBytes)
            object.member("isExpired", record.isExpired)
            let text = record.bytes.flatMap { String(validating: $0, as: UTF8.self) }
            let other = text == nil ? record.bytes : nil
            object.member("text", text)
            object.member("base64", other.map { Data($0).base64EncodedString() })
        }
    }

    /// A range of entries that a sink will never get.
    public static func write(_ range: DetachedRange, to value: inout JSONWriter) {
        value.object { object in
            object.member("id", range.id)
            object.member("sink", range.sink)
            object.member("at", instant(range.at))
            object.member("reason", range.reason)
            object.member("firstOffset", range.offsets.lowerBound.rawValue)
            object.member("lastOffset", range.offsets.upperBound.rawValue)
            object.member("firstReceivedAt", instant(range.firstReceivedAt))
            object.member("lastReceivedAt", instant(range.lastReceivedAt))
            object.member("since", instant(range.replaySpan.lowerBound))
            object.member("until", instant(range.replaySpan.upperBound))
            object.member("entries", range.entries)
        }
    }

    /// A JSON text as it is; anything else as a string.
    private static func write(bytes: [UInt8], to value: inout JSONWriter) {
        if (try? JSONDocument(bytes)) != nil {
            value.raw(bytes)
        } else {
            value.string(String(decoding: bytes, as: UTF8.self))
        }
    }

    static func instant(_ nanoseconds: Int64) -> String {
        Timestamp(nanoseconds: nanoseconds).description
    }
}
