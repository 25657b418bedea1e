import Config
import Rules
import Testing

@Suite struct EventTypeCatalogueTests {
    @Test func hasOktasTypes() {
        #expect(EventTypeCatalogue.names.count == 1_274)
        #expect(EventTypeCatalogue.names.count(where: EventTypeCatalogue.isEligible) == 314)
        #expect(EventTypeCatalogue.names == EventTypeCatalogue.names.sorted())
        #expect(EventTypeCatalogue.isKnown("user.lifecycle.create"))
        #expect(EventTypeCatalogue.isEligible("user.lifecycle.create"))
        #expect(EventTypeCatalogue.isKnown("user.lifecycle.delete.completed"))
        #expect(!EventTypeCatalogue.isEligible("user.lifecycle.delete.completed"))
        #expect(EventTypeCatalogue.isKnown("mim.createEnrollment.ANDROID"))
        #expect(!EventTypeCatalogue.isKnown("user.lifecycle"))
        #expect(EventTypeCatalogue.isKnown("relay.backfill"))
    }

    @Test func findsTheNearest() {
        #expect(EventTypeCatalogue.nearest("user.lifecycle.creat") == "user.lifecycle.create")
        #expect(EventTypeCatalogue.nearest("user.lifecyle.deactivate") == "user.lifecycle.deactivate")
        #expect(EventTypeCatalogue.nearest("group.user_memberships.*") == "group.user_membership.*")
        #expect(EventTypeCatalogue.nearest("something.quite.different.from.all.of.them") == nil)
    }

    @Test func expandsPatterns() {
        let lifecycle = EventTypeCatalogue.matching(EventTypePattern("user.lifecycle.*"))
        #expect(lifecycle.contains("user.lifecycle.suspend"))
        #expect(lifecycle.allSatisfy { $0.hasPrefix("user.lifecycle.") })
        #expect(EventTypeCatalogue.matching(EventTypePattern("user.nothing")).isEmpty)
        #expect(EventTypeCatalogue.matching(EventTypePattern("*")).count == 1_274)
    }

    @Test func substitutesAreEligibleAndNeeded() {
        for name in EventTypeCatalogue.names {
            guard let substitute = EventTypeCatalogue.substitute(for: name) else { continue }
            #expect(!EventTypeCatalogue.isEligible(name))
            #expect(EventTypeCatalogue.isEligible(substitute.name))
        }
        #expect(
            EventTypeCatalogue.substitute(for: "user.lifecycle.delete.completed")?.name
                == "user.lifecycle.delete.initiated")
    }

    @Test func userChangesAreKnown() {
        for name in EventTypeCatalogue.userChanges.keys {
            #expect(EventTypeCatalogue.isKnown(name), "\(name)")
        }
    }

    @Test func listsWhatToSubscribeTo() throws {
        let configuration = try #require(Fixture.loadEverything().configuration)
        let subscriptions = configuration.subscriptions
        #expect(subscriptions.map(\.hook) == ["main", "more"])
        #expect(subscriptions[0].eventTypes.contains("user.lifecycle.create"))
        #expect(subscriptions[0].eventTypes.contains("group.user_membership.add"))
        #expect(!subscriptions[0].eventTypes.contains("user.lifecycle.delete.completed"), "not eligible")
        #expect(
            subscriptions[1].eventTypes == ["group.user_membership.add", "group.user_membership.remove"],
            "the rule on user.* is for the hook main")
        #expect(!subscriptions[0].isOverLimit)
    }

    @Test func operationsNarrowWhatToSubscribeTo() throws {
        let rules = #"[{ "name": "a", "events": ["user.*"], "operations": ["delete"], "sinks": ["users"] }]"#
        let subscription = try #require(
            Fixture.load(Fixture.minimal(rules: rules)).configuration?.subscriptions.first)
        #expect(
            subscription.eventTypes == ["user.account.update_profile", "user.lifecycle.delete.initiated"])
    }

    @Test(arguments: [
        (#""where": { "eventType": ["application.lifecycle.create"] }"#, ["application.lifecycle.create"]),
        (
            #""all": [{ "eventType": [{ "prefix": "user.lifecycle." }] }, "#
                + #"{ "eventType": [{ "wildcard": "*.*suspend" }], "actor": { "id": ["x"] } }]"#,
            ["user.lifecycle.suspend", "user.lifecycle.unsuspend"]
        ),
        (
            #""where": { "$or": [{ "eventType": ["user.session.start"], "severity": ["WARN"] }, "#
                + #"{ "eventType": ["user.session.end"] }] }"#,
            ["user.session.end", "user.session.start"]
        ),
        (#""any": [{ "eventType": ["user.session.end"] }, { "eventType": ["none"] }]"#, ["user.session.end"]),
        (
            #""where": { "eventType": [{ "prefix": "user.session." }] }, "#
                + #""none": [{ "eventType": [{ "anything-but": "user.session.start" }] }, "#
                + #"{ "eventType": ["user.session.start"], "severity": ["WARN"] }]"#,
            ["user.session.start"]
        ),
    ])
    func conditionsOnTheTypeNarrowWhatToSubscribeTo(_ conditions: String, _ wanted: [String]) throws {
        let rules = "[{ \"name\": \"a\", \"events\": [\"*\"], \"sinks\": [\"users\"], \(conditions) }]"
        let outcome = Fixture.load(Fixture.minimal(rules: rules))
        #expect(outcome.configuration?.subscriptions.map(\.eventTypes) == [wanted], "\(outcome.issues)")
    }

    @Test(arguments: [
        #""where": { "severity": ["WARN"] }"#, #""none": [{ "severity": ["WARN"] }]"#,
        #""any": [{ "eventType": ["user.session.end"] }, { "severity": ["WARN"] }]"#,
        #""where": { "$or": [{ "eventType": ["user.session.end"] }, { "severity": ["WARN"] }] }"#,
    ])
    func conditionsOnOtherFieldsDoNot(_ conditions: String) throws {
        let rules = "[{ \"name\": \"a\", \"events\": [\"*\"], \"sinks\": [\"users\"], \(conditions) }]"
        let outcome = Fixture.load(Fixture.minimal(rules: rules))
        #expect(outcome.configuration?.subscriptions.first?.eventTypes.count == 314)
    }

    @Test func aListOverOktasLimitIsSeen() throws {
        let outcome = Fixture.load(
            Fixture.minimal(rules: #"[{ "name": "a", "events": ["*"], "sinks": ["users"] }]"#))
        let subscription = try #require(outcome.configuration?.subscriptions.first)
        #expect(subscription.eventTypes.count == 314)
        #expect(subscription.isOverLimit)
    }

    @Test func disabledSinksNeedNoSubscription() throws {
        let outcome = Fixture.load(Fixture.http(#""enabled": false"#))
        #expect(outcome.configuration?.subscriptions.map(\.eventTypes) == [[]])
    }
}
