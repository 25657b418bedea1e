public import JSON
import Rules

/// What operators did and can do, in JSON.
extension AdminJSON {
    static func write(_ report: StepReport, to object: inout JSONWriter) {
        object.member("done", report.done)
        object.member("duplicates", report.duplicates)
        object.name("kept")
        object.array { list in
            for (reason, count) in report.kept.sorted(by: { $0.key < $1.key }) {
                list.object {
                    $0.member("reason", reason)
                    $0.member("count", count)
                }
            }
        }
        object.member("replay", report.replay)
        object.name("next")
        guard let next = report.next else { return object.null() }
        object.object { position in
            position.member("after", next.after)
            position.member("through", next.through)
            position.member("remaining", next.remaining)
            position.member("operation", next.operation)
        }
    }

    /// One replay, in members.
    ///
    /// - Parameter prospects: The state goes by it.
    public static func write(
        _ replay: Replay, _ prospects: ReplayProspects, to object: inout JSONWriter
    ) {
        object.member("id", replay.id)
        object.member("sink", replay.request.sink)
        object.member("state", replay.state(prospects).rawValue)
        object.member("waitsFor", replay.need(prospects)?.rawValue)
        object.member("since", Timestamp.exactText(replay.request.since))
        object.member("until", replay.request.until.map(Timestamp.exactText))
        object.member("rule", replay.request.filter.rule)
        object.member("type", replay.request.filter.eventType?.description)
        object.member("user", replay.request.filter.user)
        object.member("startedAt", instant(replay.startedAt))
        object.member("endedAt", replay.endedAt.map(instant))
        object.member("isCancelled", replay.isCancelled)
        object.member("appended", replay.appended)
        object.member("isWhole", replay.request.isWhole)
        object.member("share", replay.share)
    }

    /// What a step of a replay would do, in members.
    static func write(_ step: ReplayStep, of replay: Replay, to object: inout JSONWriter) {
        var rules: [String: Int] = [:]
        for event in step.events { rules[event.route.choices.first?.rule ?? "", default: 0] += 1 }
        object.member("lookedAt", step.lookedAt)
        object.member("matching", step.events.count)
        object.member("isWhole", step.isWhole)
        object.name("rules")
        object.object { object in
            for (rule, count) in rules.sorted(by: { $0.key < $1.key }) { object.member(rule, count) }
        }
        object.member("share", replay.share(at: step.end))
        object.member("after", step.isLast ? nil : step.end.rawValue)
        object.member("first", replay.request.after.rawValue)
        object.member("last", replay.last.rawValue)
    }

    /// What is known of a user, in members.
    public static func write(_ history: UserHistory, to object: inout JSONWriter) {
        object.name("history")
        object.array { list in
            for record in history.records { write(record, to: &list) }
        }
        object.member("isCut", history.next != nil)
        object.member("next", history.next?.description)
        object.member("receiptsSince", history.receiptsSince.map(instant))
        object.name("waiting")
        object.object { waiting in
            waiting.member("lookedAt", history.waiting.lookedAt)
            waiting.name("notLookedAt")
            waiting.array { list in for sink in history.waiting.notLookedAt { list.string(sink) } }
        }
        object.name("givenUp")
        object.array { list in
            for entries in history.givenUp {
                list.object {
                    $0.member("sink", entries.sink)
                    $0.member("entries", entries.entries)
                    $0.member("since", instant(entries.replaySpan.lowerBound))
                    $0.member("until", instant(entries.replaySpan.upperBound))
                }
            }
        }
    }

    /// What waits for a sink, as the answer to a resume that is only tried.
    static func write(_ count: WaitingCount, of sink: String, to object: inout JSONWriter) {
        object.member("sink", sink)
        object.member("dryRun", true)
        object.member("was", count.hold?.kind.rawValue)
        object.member("reason", count.hold?.reason)
        object.member("waiting", count.waiting)
        object.member("lookedAt", count.lookedAt)
        object.name("operations")
        object.object { operations in
            for (operation, count) in count.operations.sorted(by: { $0.key.rank < $1.key.rank }) {
                operations.member(operation.rawValue, count)
            }
        }
    }

    /// One delivery of a user's.
    public static func write(_ record: HistoryRecord, to value: inout JSONWriter) {
        value.object { object in
            object.member("at", instant(record.at))
            object.member("sink", record.sink)
            object.member("outcome", record.outcome.word)
            object.member("operation", record.operation)
            object.member("eventType", record.eventType)
            object.member("org", record.org)
            object.member("eventId", record.eventID)
            object.member("detail", record.detail)
        }
    }

    /// What one settle recorded.
    public static func write(_ record: SettlementRecord, to value: inout JSONWriter) {
        value.object { object in
            object.member("id", record.id)
            object.member("at", instant(record.at))
            object.member("sink", record.sink)
            object.member("first", record.first.rawValue)
            object.member("last", record.last.rawValue)
            object.member("delivered", record.delivered)
            object.member("superseded", record.superseded)
            object.member("skipped", record.skipped)
            object.member("dead", record.dead)
        }
    }

    /// What is kept of one delivery.
    public static func write(_ record: ReceiptRecord, to value: inout JSONWriter) {
        value.object { object in
            object.member("id", record.id)
            object.member("at", instant(record.at))
            object.member("sink", record.sink)
            object.member("offset", record.offset.rawValue)
            object.member("outcome", record.outcome?.rawValue)
            object.member("detail", record.detail)
            object.member("operation", record.operation)
            object.member("userId", record.userID)
            object.member("eventId", record.eventID)
        }
    }

    /// One thing that an operator did.
    public static func write(_ record: OperationRecord, to value: inout JSONWriter) {
        value.object { object in
            object.member("id", record.id)
            object.member("at", instant(record.at))
            object.member("command", record.command)
            object.member("sink", record.sink)
            object.member("entries", record.entries)
            object.name("detail")
            if let detail = record.detail { object.raw(detail.utf8) } else { object.null() }
        }
    }
}
