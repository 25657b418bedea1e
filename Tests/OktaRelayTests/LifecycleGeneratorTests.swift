import JSON
import Relay
import Rules
import Testing

/// The simulated org: the same for the same seed, and in Okta's shape.
@Suite struct LifecycleGeneratorTests {
    /// 2026-01-01T00:00:00Z.
    private static let start: Int64 = 1_767_225_600_000_000_000

    private func envelopes(_ options: LifecycleGenerator.Options) -> [SimulatedEnvelope] {
        var generator = LifecycleGenerator(options)
        var envelopes: [SimulatedEnvelope] = []
        while let envelope = generator.nextEnvelope() { envelopes.append(envelope) }
        return envelopes
    }

    @Test func sameSeedGivesTheSameBytesAndAnotherSeedOthers() {
        let options = LifecycleGenerator.Options(
            users: 5, events: 60, batchMax: 4, duplicates: 0.2, seed: 7, start: Self.start)
        var other = options
        other.seed = 8
        #expect(envelopes(options) == envelopes(options))
        #expect(envelopes(options) != envelopes(other))
    }

    @Test func envelopesCarryAllEightFieldsAndEventsThatDecode() throws {
        let sent = envelopes(.init(users: 10, events: 300, batchMax: 5, seed: 3, start: Self.start))
        var types: Set<String> = []
        for envelope in sent {
            let root = try JSONDocument(envelope.bytes).root
            #expect(
                root.members.compactMap(\.name.string).sorted() == [
                    "cloudEventsVersion", "contentType", "data", "eventId", "eventTime", "eventType",
                    "eventTypeVersion", "source",
                ])
            #expect(Timestamp(root["eventTime"]?.string ?? "") != nil)
            let elements = try #require(root["data"]?["events"]).elements.map { $0 }
            #expect(elements.count == envelope.events.count)
            for (element, told) in zip(elements, envelope.events) {
                let event = try Event(
                    body: JSONDocument(Array(element.raw)), hook: "okta", org: "okta", receivedAt: Self.start)
                #expect(event.id == told.id)
                #expect(event.user?.id == told.userID)
                #expect(
                    event.published?.nanoseconds == told.published - told.published % precision(of: event))
                #expect(event.meaning.isEffective)
                types.insert(event.type)
            }
        }
        #expect(types == Set(LifecycleEventType.allCases.map(\.rawValue)))
    }

    /// Nanoseconds of the last digit that the event's `published` has.
    private func precision(of event: Event) -> Int64 {
        let digits = (event.published?.description.split(separator: ".").last?.count ?? 1) - 1
        return (digits..<9).reduce(1) { power, _ in power * 10 }
    }

    @Test func oneEventEnvelopesAreAsLargeAsRealOnes() {
        let sizes = envelopes(.init(users: 10, events: 200, seed: 5, start: Self.start)).map(\.bytes.count)
        let large = sizes.count { (2_000...3_000).contains($0) }
        #expect(Double(large) > 0.7 * Double(sizes.count))
        #expect(sizes.allSatisfy { (1_400...3_200).contains($0) })
    }

    @Test func aDeletionIsFollowedByTheUpdateThatRenamesTheLogin() throws {
        let events = envelopes(.init(users: 3, events: 400, seed: 11, start: Self.start)).flatMap(\.events)
        let deletions = events.indices.filter { events[$0].type == .deleteInitiated }
        #expect(deletions.count > 5)
        for index in deletions where index + 1 < events.count {
            let next = events[index + 1]
            #expect(next.type == .updateProfile)
            #expect(next.userID == events[index].userID)
            #expect((24_000_000...39_000_000).contains(next.published - events[index].published))
            let event = try Event(body: JSONDocument(next.bytes), hook: "h", org: "o", receivedAt: 0)
            #expect(event.user?.login == "\(next.userID)@deleted.invalid")
            #expect(event.meaning.operation == .delete)
        }
    }

    @Test func everyUsersLifeStartsWithCreationAndNobodyActsAfterDeletion() {
        let events = envelopes(.init(users: 4, events: 300, seed: 2, start: Self.start)).flatMap(\.events)
        for (_, life) in Dictionary(grouping: events, by: \.userID) {
            #expect(life.first?.type == .create)
            #expect(life.count { $0.type == .create } == 1)
            if let end = life.firstIndex(where: { $0.type == .deleteInitiated }) {
                #expect(life.count <= end + 2)
            }
        }
        #expect(events.count == 300)
        #expect(Set(events.map(\.id)).count == 300)
    }

    @Test func duplicatesComeInALaterEnvelopeWithTheSameBytes() throws {
        let sent = envelopes(
            .init(users: 5, events: 200, batchMax: 3, duplicates: 0.5, seed: 9, start: Self.start))
        let all = sent.flatMap(\.events)
        let repeats = all.filter(\.isRepeat)
        #expect(repeats.count > 50)
        for event in repeats {
            let first = try #require(all.first { $0.id == event.id })
            #expect(!first.isRepeat)
            #expect(first.bytes == event.bytes)
        }
        #expect(all.count - repeats.count == 200)
        #expect(sent.allSatisfy { Set($0.events.map(\.id)).count == $0.events.count })
    }

    @Test func timesShowThreeSixAndNineFractionalDigits() {
        let events = envelopes(.init(users: 5, events: 100, seed: 4, start: Self.start)).flatMap(\.events)
        let digits = events.compactMap { event in
            (try? JSONDocument(event.bytes))?.root["published"]?.string?.split(separator: ".").last?.count
        }
        #expect(Set(digits) == [4, 7, 10])
    }
}
