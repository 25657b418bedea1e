import Config
import Rules
import Testing

@testable import Relay

/// `check` has to know which event types change a user without asking the relay, which stands above it.
@Suite struct UserChangesTests {
    @Test func theCatalogueAndTheTableOfMeaningsAgree() {
        for name in EventTypeCatalogue.names {
            let meaning = EventMeaning(type: name, outcome: "SUCCESS", login: nil)
            let changes = meaning.operation != .none
            #expect(changes == EventTypeCatalogue.userChanges.contains(name), "\(name)")
        }
    }
}
