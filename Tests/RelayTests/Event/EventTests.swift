import JSON
import Relay
import RelayTesting
import Rules
import Testing

@Suite struct EventTests {
    func event(_ json: String) throws -> Event {
        try Event(body: try JSONDocument(json), hook: "okta", org: "acme", receivedAt: 1)
    }

    @Test func findsTheUserByTypeAndNotByPosition() throws {
        let event = try event(
            """
            {"uuid":"1","eventType":"group.user_membership.add","target":[
              {"id":"00g","type":"UserGroup","displayName":"Staff"},
              {"id":"0ua","type":"AppUser"},
              {"id":"00u","type":"User","alternateId":"a@x","displayName":"A"}]}
            """
        )
        #expect(event.user == EventUser(id: "00u", login: "a@x", displayName: "A"))
        #expect(event.subject == Subject(org: "acme", userID: "00u"))
    }

    @Test func anExplicitNullIsCarriedAndAMissingMemberIsNot() throws {
        let target = #"{"id":"00u","type":"User","displayName":null}"#
        let event = try event(#"{"uuid":"1","eventType":"a","target":[\#(target)]}"#)
        #expect(event.user == EventUser(id: "00u", login: nil, displayName: nil, nulls: [.displayName]))
        let context = EventDocument.Context(
            sink: "s", rule: "r", attempt: 1, idempotencyKey: "k", operation: .update)
        let user = EventDocument.make(event, user: EventDocument.User(event), context).root["user"]
        #expect(user?["displayName"]?.isNull == true)
        #expect(user?["login"] == nil)
    }

    @Test func passesOverAUserTargetWithoutAnID() throws {
        let targets = #"[{"id":null,"type":"User"},{"id":"00u","type":"User"}]"#
        #expect(try event(#"{"uuid":"1","eventType":"a","target":\#(targets)}"#).user?.id == "00u")
    }

    @Test func takesTheActorOfALockWithoutTarget() throws {
        let actor = #""actor":{"id":"00u","type":"User","alternateId":"a@x","displayName":"A"}"#
        for target in [#","target":null"#, #","target":[]"#, ""] {
            let head = #"{"uuid":"1","eventType":"user.account.lock","outcome":{"result":"FAILURE"}"#
            let lock = try event("\(head),\(actor)\(target)}")
            #expect(lock.user?.id == "00u")
            #expect(lock.meaning.status == "LOCKED_OUT")
            #expect(lock.meaning.operation == .update)
            let other = try event(#"{"uuid":"1","eventType":"user.session.start",\#(actor)\#(target)}"#)
            #expect(other.user == nil)
            #expect(other.subject == nil)
        }
    }

    @Test(arguments: [
        (#"[]"#, EventDefect.notAnObject), (#""x""#, .notAnObject), (#"{}"#, .noUUID),
        (#"{"uuid":""}"#, .noUUID),
        (#"{"uuid":7,"eventType":"a"}"#, .noUUID), (#"{"uuid":"1"}"#, .noEventType),
        (#"{"uuid":"1","eventType":null}"#, .noEventType),
    ])
    func tellsWhatIsMissing(_ json: String, _ defect: EventDefect) {
        #expect(throws: defect) { try self.event(json) }
    }

    @Test func livesWithoutAUsablePublished() throws {
        for published in [#""""#, "null", "17", #""yesterday""#] {
            let event = try event(
                #"{"uuid":"1","eventType":"user.lifecycle.create","published":\#(published)}"#)
            #expect(event.published == nil)
            #expect(event.stamp == nil)
        }
    }

    @Test func keepsItsBytes() throws {
        let json = #"{ "uuid":"1", "eventType":"a", "big": 12345678901234567890.10, "unknown": [1,2] }"#
        #expect(try event(json).body.bytes == Array(json.utf8))
    }

    @Test func stampsAreOrderedByTimeThenOperationThenID() throws {
        let types = [
            "user.lifecycle.create", "user.account.update_profile", "user.lifecycle.activate",
            "user.lifecycle.deactivate", "user.lifecycle.delete.initiated",
        ]
        let stamps = try types.map { try #require(try LogEventFixture(uuid: "9", type: $0).event().stamp) }
        #expect(stamps == stamps.sorted())
        let later = try #require(
            try LogEventFixture(uuid: "0", type: types[0], published: "2026-03-01T10:00:00.000000001Z")
                .event().stamp)
        #expect(stamps.allSatisfy { $0 < later })
        let other = try #require(try LogEventFixture(uuid: "91", type: types[0]).event().stamp)
        #expect(stamps[0] < other && other < stamps[1])
        #expect(Stamp(other.description) == other)
    }

    @Test func theDocumentHasWhatTemplatesSee() throws {
        let event = try LogEventFixture(uuid: "1", type: "user.lifecycle.suspend").event()
        let context = EventDocument.Context(
            sink: "crm", rule: "staff", attempt: 2, idempotencyKey: "k", operation: event.meaning.operation)
        let root = EventDocument.make(event, user: EventDocument.User(event), context).root
        #expect(root["event"]?.raw.elementsEqual(event.body.bytes) == true)
        #expect(root["user"]?["status"]?.string == "SUSPENDED")
        #expect(root["user"]?["active"]?.bool == false)
        #expect(root["group"]?["displayName"]?.string == "Staff")
        #expect(root["app"] == nil)
        #expect(root["operation"]?.string == "deactivate")
        #expect(root["relay"]?["attempt"]?.int == 2)
        #expect(root["relay"]?["receivedAt"]?.string == "1970-01-01T00:00:00.000Z")
    }
}

/// Design: what each event type does, row by row.
@Suite struct EventMeaningTests {
    @Test(arguments: [
        ("user.lifecycle.create", Operation.create, "STAGED", false),
        ("user.lifecycle.activate", .reactivate, "ACTIVE", true),
        ("user.lifecycle.reactivate", .reactivate, "ACTIVE", true),
        ("user.lifecycle.unsuspend", .reactivate, "ACTIVE", true),
        ("user.account.unlock", .update, "ACTIVE", true),
        ("user.account.unlock_by_admin", .update, "ACTIVE", true),
        ("user.lifecycle.suspend", .deactivate, "SUSPENDED", false),
        ("user.lifecycle.deactivate", .deactivate, "DEPROVISIONED", false),
        ("user.lifecycle.delete.initiated", .delete, "DELETED", false),
        ("user.lifecycle.delete.completed", .delete, "DELETED", false),
    ])
    func changesAUser(_ type: String, _ operation: Operation, _ status: String, _ isActive: Bool) {
        for outcome in ["SUCCESS", "Success", "success"] {
            let meaning = EventMeaning(type: type, outcome: outcome, login: "a@x")
            #expect(meaning.operation == operation && meaning.isEffective)
            #expect(meaning.status == status && meaning.isActive == isActive)
        }
        for outcome in ["FAILURE", nil] {
            let meaning = EventMeaning(type: type, outcome: outcome, login: "a@x")
            #expect(meaning.operation == .none && !meaning.isEffective && meaning.status == nil)
        }
    }

    @Test func aProfileUpdateSaysNothingOfTheStatus() {
        let meaning = EventMeaning(type: "user.account.update_profile", outcome: "SUCCESS", login: "a@x")
        #expect(meaning.operation == .update && meaning.status == nil && meaning.isActive == nil)
    }

    @Test func aLockTakesEffectWhateverItsOutcome() {
        for outcome in ["SUCCESS", "FAILURE", nil] {
            let meaning = EventMeaning(type: "user.account.lock", outcome: outcome, login: "a@x")
            #expect(meaning.operation == .update && meaning.status == "LOCKED_OUT" && meaning.isEffective)
            #expect(meaning.isActive == nil)
        }
    }

    @Test func aDeletedLoginIsADeletionWhateverTheType() {
        let login = "00u1@Deleted.INVALID"
        for type in ["user.account.update_profile", "user.session.clear", "user.lifecycle.activate"] {
            #expect(EventMeaning(type: type, outcome: "SUCCESS", login: login).operation == .delete)
            #expect(EventMeaning(type: type, outcome: "FAILURE", login: login).operation != .delete)
        }
    }

    @Test func allElseDoesNothingAndIsEffective() {
        for outcome in ["SUCCESS", "FAILURE", nil] {
            let meaning = EventMeaning(type: "user.session.start", outcome: outcome, login: "a@x")
            #expect(meaning.operation == .none && meaning.isEffective)
        }
    }
}
