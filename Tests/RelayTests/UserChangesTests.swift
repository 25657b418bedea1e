import Config
import Rules
import Testing

@testable import Relay

/// `check` has to know which event types change a user without asking the relay, which stands above it.
@Suite struct UserChangesTests {
    @Test func theCatalogueAndTheTableOfMeaningsAgree() {
        for name in EventTypeCatalogue.names {
            func operation(_ outcome: String) -> Operation {
                EventMeaning(type: name, outcome: outcome, login: nil).operation
            }
            #expect(operation("SUCCESS") == EventTypeCatalogue.userChanges[name] ?? .none, "\(name)")
            func possible(_ outcome: Rule.Outcome) -> Set<Operation> {
                EventTypeCatalogue.operations(of: name, withOutcome: outcome)
            }
            #expect(possible(.effective).contains(operation("SUCCESS")), "\(name)")
            #expect(possible(.any).isSuperset(of: [operation("SUCCESS"), operation("FAILURE")]), "\(name)")
        }
        let renamed = "user.account.update_profile"
        let deletion = EventMeaning(type: renamed, outcome: "SUCCESS", login: "x@deleted.invalid").operation
        #expect(EventTypeCatalogue.operations(of: renamed, withOutcome: .effective).contains(deletion))
    }
}
