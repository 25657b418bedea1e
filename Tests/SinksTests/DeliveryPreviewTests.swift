import Config
import JSON
import Relay
import RelayTesting
import Rules
import Testing

@testable import Sinks

/// What a sink says it would do, and what it does then.
@Suite("Previews of deliveries")
struct DeliveryPreviewTests {
    private static let types = [
        "user.lifecycle.create", "user.account.update_profile", "user.lifecycle.deactivate",
        "user.lifecycle.delete.initiated",
    ]

    private func row(_ sink: any Sink, _ event: Event) throws -> RowPreview {
        let preview = try #require(sink as? any DeliveryPreviewing).preview(HTTPFixtures.delivery(event))
        guard case .row(let row) = preview else { throw PreviewMismatch("\(preview)") }
        return row
    }

    private struct PreviewMismatch: Error {
        let description: String
        init(_ description: String) { self.description = description }
    }

    // MARK: - SQL

    /// Into an empty table goes exactly what the preview shows.
    @Test(arguments: types, [TableConfiguration.Mode.upsert, .append])
    func aRowIsWrittenAsItIsShown(_ type: String, _ mode: TableConfiguration.Mode) async throws {
        let fixture = try SQLSinkFixture(.sqlite, TableConfiguration(name: "things", mode: mode))
        let event = EventSample(type: type, user: "a", second: 1).event
        let preview = try row(fixture.sink, event)
        #expect(preview.table == "things" && !preview.isForAllRowsOfUser)
        let isDeletion = mode == .upsert && type.contains("delete")
        #expect(preview.action == (mode == .append ? .insert : isDeletion ? .mark : .upsert))
        #expect(try await fixture.deliver([event]) == [.delivered])
        let written = try #require(try await fixture.rows().first)
        for column in preview.columns {
            let shown = try column.value.map { bytes in
                let root = try JSONDocument(bytes).root
                return root.string ?? String(decoding: root.raw, as: UTF8.self)
            }
            #expect(written[column.name] == shown, "\(column.name)")
        }
        #expect(Set(written.keys).isSubset(of: preview.columns.map(\.name)))
    }

    @Test(arguments: SQLSinkFixture.Database.allCases)
    func aHardDeletionShowsTheKeyAlone(_ database: SQLSinkFixture.Database) throws {
        let place = database == .sqlite ? "/nowhere/users.sqlite" : "postgresql://127.0.0.1:1/nowhere"
        let sink = try SQLSinkFixture.makeSink(
            database, place, TableConfiguration(schema: nil, name: "users", onDelete: .delete))
        let preview = try row(
            sink, EventSample(type: "user.lifecycle.delete.initiated", user: "a", second: 1).event)
        #expect(preview.action == .delete)
        #expect(
            preview.columns == [
                RowPreview.Column(name: "id", value: Array(#""a""#.utf8), isKey: true, isInsertOnly: false)
            ])
    }

    @Test func aUsersDeletionIsAboutAllOfTheirRows() throws {
        let table = TableConfiguration(
            name: "members",
            columns: [
                try MappedEvent.column("member", "{{ $.user.id }}"),
                try MappedEvent.column("team", "{{ $.group.id }}"),
                try MappedEvent.column("active", "{{ $.user.active }}", "boolean"),
            ],
            key: ["member", "team"], operations: ["group.user_membership.add": .create])
        let sink = try SQLSinkFixture.makeSink(.sqlite, "/nowhere/m.sqlite", table)
        let preview = try row(
            sink, EventSample(type: "user.lifecycle.delete.initiated", user: "a", second: 1).event)
        #expect(preview.isForAllRowsOfUser && preview.action == .mark)
        #expect(preview.columns.map(\.name) == ["active"])
    }

    /// The reasons are those of the receipts.
    @Test func whatIsNotWrittenSaysWhy() async throws {
        let fixture = try SQLSinkFixture(.sqlite)
        let sink = try #require(fixture.sink as? any DeliveryPreviewing)
        for sample in [
            EventSample(type: "user.session.start", user: "a", second: 1),
            EventSample(type: "user.lifecycle.create", user: nil, second: 1),
            EventSample(type: "user.lifecycle.create", user: "a", second: nil),
        ] {
            let outcome = try #require(try await fixture.deliver([sample]).first)
            #expect(sink.preview(HTTPFixtures.delivery(sample.event)) == .nothing(outcome))
        }
    }

    // MARK: - HTTP

    @Test(arguments: types)
    func aRequestIsSentAsItIsShown(_ type: String) async throws {
        try await withReceiver { receiver, client in
            var configuration = try HTTPFixtures.contacts(receiver.url)
            configuration.authentication = .bearer(Secret("open-sesame"))
            configuration.request.headers = [
                ("X-Source", try HTTPFixtures.template("\"okta\"", .header)),
                ("X-Api-Key", try HTTPFixtures.template("\"open-sesame\"", .header)),
            ]
            let sink = HTTPSink(
                name: "crm", configuration: configuration, client: client, clock: ManualClock())
            let delivery = HTTPFixtures.delivery(try HTTPFixtures.event(type))
            guard case .request(let shown) = sink.preview(delivery) else {
                Issue.record("no request")
                return
            }
            #expect(receiver.requests.isEmpty)
            _ = try await sink.deliver([delivery])
            let sent = try #require(receiver.requests.first)
            #expect(sent.method == shown.method && receiver.url + sent.target == shown.url)
            #expect(sent.body == shown.body ?? [])
            for header in shown.headers {
                let value = sent.header(header.name.lowercased())
                let isSecret = ["authorization", "x-api-key"].contains(header.name.lowercased())
                #expect(isSecret ? header.value == "***" && value != nil : header.value == value)
            }
            #expect(!"\(shown)".contains("open-sesame"))
        }
    }

    @Test func whatIsNotSentSaysWhy() throws {
        var configuration = try HTTPFixtures.contacts("https://crm.example.com")
        let sink = HTTPSink(
            name: "crm", configuration: configuration, client: CurlClient(), clock: ManualClock())
        let session = try HTTPFixtures.event("user.session.start")
        #expect(
            sink.preview(HTTPFixtures.delivery(session))
                == .nothing(.skipped("the event changes no user, and there is no on.none")))
        let nobody = try HTTPFixtures.event("user.lifecycle.create", user: nil)
        #expect(sink.preview(HTTPFixtures.delivery(nobody)) == .nothing(.rejected(reason: "no user")))

        configuration.request.url = try HTTPFixtures.template(
            "\"https://crm.example.com/{{ $.event.no }}\"", .url)
        let broken = HTTPSink(
            name: "crm", configuration: configuration, client: CurlClient(), clock: ManualClock())
        let creation = try HTTPFixtures.event("user.lifecycle.create")
        guard case .nothing(.rejected(let reason)) = broken.preview(HTTPFixtures.delivery(creation)) else {
            Issue.record("not rejected")
            return
        }
        #expect(reason.hasPrefix("url: "))
    }

    // MARK: - Secrets

    @Test func whatReferencesBecameIsMaskedWhereverItStands() throws {
        let secrets = [Secret("s3cret\"x"), Secret("abc"), Secret("s3cret\"x-longer")]
        let request = RequestPreview(
            method: "PUT", url: "https://a.example/s3cret\"x/abc",
            headers: [RequestPreview.Header(name: "X-A", value: "v s3cret\"x-longer")],
            body: Array(#"{"token":"s3cret\"x","other":1}"#.utf8))
        let preview = DeliveryPreview.request(request).masked(by: SecretMask(secrets))
        guard case .request(let masked) = preview else {
            Issue.record("no request any more")
            return
        }
        #expect(masked.url == "https://a.example/***/abc", "three bytes are too few to tell")
        #expect(masked.headers.map(\.value) == ["v ***"])
        #expect(masked.body.map { String(decoding: $0, as: UTF8.self) } == #"{"token":"***","other":1}"#)
    }

    @Test(arguments: [
        "a/b+c\"dé", "A/B+C\"DÉ", "a/b+c\\\"dé", "a/b+c\\\\\\\"dé", "a%2Fb%2Bc%22d%C3%A9",
        "a%2fb%2bc%22d%c3%a9", "A%2FB%2BC%22D%C3%89",
    ])
    func aSecretIsMaskedInEachFormThatItCanTake(_ form: String) {
        let mask = SecretMask([Secret("a/b+c\"dé")])
        #expect(mask.masked("x \(form) y") == "x *** y")
        let rejected = DeliveryPreview.nothing(.rejected(reason: "url: \(form)"))
        #expect(rejected.masked(by: mask) == .nothing(.rejected(reason: "url: ***")))
    }
}
