import Config
import Relay
import Rules
import Testing

@testable import Sinks

/// Text forms: keys, arrays, JSON for `jsonb`, SQLSTATEs, and what errors show of a connection string.
@Suite("SQL: values and texts")
struct SQLValuesTests {
    @Test func anArrayLiteralQuotesEveryElement() {
        let elements = ["a", nil, "NULL", "x\"y", "back\\slash", "{}", "a,b", ""]
        #expect(
            PostgresArray.literal(elements)
                == #"{"a",NULL,"NULL","x\"y","back\\slash","{}","a,b",""}"#)
        #expect(PostgresArray.literal([String?]()) == "{}")
    }

    @Test func searchableJSONLosesOnlyWhatTheDatabaseRefuses() {
        func text(_ json: String) -> String { SearchableJSON.text(Array(json.utf8)) }
        #expect(text(#""a\u0000b""#) == #""a\ufffdb""#)
        #expect(text(#""a\\u0000b""#) == #""a\\u0000b""#, "an escaped backslash is no escape")
        #expect(text(#""\ud83d\ude00""#) == #""\ud83d\ude00""#, "a pair stays")
        #expect(text(#""\ud83dx\ude00""#) == #""\ufffdx\ufffd""#, "halves go")
        #expect(text(#""\u00e9\n""#) == #""\u00e9\n""#)
    }

    @Test func aKeyComesBackFromItsText() {
        let key: [RenderedValue] = [.string("a\"b"), .number("12345678901234567890"), .bool(true)]
        let text = RowKey.text(key)
        #expect(text == #"["a\"b",12345678901234567890,true]"#)
        #expect(RowKey.values(text, count: 3) == key)
        #expect(RowKey.values(text, count: 2) == nil)
        #expect(RowKey.values("\"tombstone\"", count: 1) == nil)
    }

    @Test(arguments: [
        ("23505", SQLState.Disposition.data), ("22P02", .data), ("21000", .data), ("P0001", .data),
        ("42804", .misconfigured), ("40001", .conflict), ("40P01", .conflict), ("08006", .unavailable),
        ("57P01", .unavailable), ("57P04", .misconfigured), ("25006", .unavailable), ("53300", .unavailable),
        ("53100", .unavailable), ("28P01", .misconfigured), ("3D000", .misconfigured),
        ("42501", .misconfigured), ("42P01", .misconfigured), ("XX001", .misconfigured),
        ("ZZ999", .unavailable),
    ])
    func aSQLStateHasADisposition(_ state: String, _ disposition: SQLState.Disposition) {
        #expect(SQLState.disposition(of: state) == disposition)
    }

    @Test(arguments: [
        "postgresql://user:hunter22secret@127.0.0.1:1/db", "postgresql://user:hunter22/secret@127.0.0.1:1/db",
        "postgresql://user:hunter22@secret@127.0.0.1:1/db", "hunter22secret",
    ])
    func noErrorShowsThePassword(_ url: String) throws {
        let error = #expect(throws: TableFailure.self) { try PostgresConnector(url: Secret(url)).connect() }
        let text = "\(try #require(error))"
        #expect(!text.contains("hunter22") && !text.contains("secret"))
    }

    @Test func anUnknownDatabaseIsMisconfiguredAndANobodyUnavailable() async throws {
        let fixture = try SQLSinkFixture(.postgresql)
        let sink = try SQLSinkFixture.makeSink(
            .postgresql, fixture.place + "_not", TableConfiguration(name: "users"))
        await #expect {
            try await sink.prepare()
        } throws: { error in
            guard case .misconfigured(let reason)? = error as? SinkError else { return false }
            return reason.contains("SQLSTATE 3D000")
        }
        let nobody = try SQLSinkFixture.makeSink(
            .postgresql, "postgresql://postgres@127.0.0.1:1/x", TableConfiguration(name: "users"))
        await #expect {
            try await nobody.prepare()
        } throws: { error in
            guard case .unavailable? = error as? SinkError else { return false }
            return true
        }
    }
}
