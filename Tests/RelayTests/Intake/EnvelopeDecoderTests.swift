import Config
import Foundation
import JSON
import Relay
import Rules
import Testing

@Suite struct EnvelopeDecoderTests {
    private let decoder = EnvelopeDecoder(
        HookConfiguration(name: "hook", path: "/", secrets: [], org: "acme"))

    @Test func keepsEachEventsOwnBytes() throws {
        let first = #"{ "uuid" : "a","eventType":"user.session.start",  "n": 1.50 }"#
        let decoded = try decoder.decode(
            Sample.envelope([first, Sample.event("b")]), receivedAt: 7)
        #expect(decoded.events.map(\.id) == ["a", "b"])
        #expect(decoded.events.first?.body.bytes == Array(first.utf8))
        #expect(decoded.events.first?.org == "acme")
        #expect(decoded.events.first?.receivedAt == 7)
        #expect(decoded.quarantined.isEmpty)
    }

    @Test(
        arguments: [
            (#""5ec1-aa""#, "5ec1-aa"), (#""""#, nil), ("5", nil), ("null", nil), (#""a\u0000""#, nil),
        ] as [(String, String?)])
    func keepsTheEnvelopesID(_ written: String, _ kept: String?) throws {
        let body = ##"{"eventId":\##(written),"data":{"events":[\##(Sample.event("a"))]}}"##
        #expect(try decoder.decode(Array(body.utf8), receivedAt: 7).events.map(\.envelopeID) == [kept])
    }

    @Test(arguments: [
        ("17", "not an object"), ("null", "not an object"), ("[]", "not an object"),
        (#"{"eventType":"a.b"}"#, "no uuid"), (#"{"uuid":"","eventType":"a.b"}"#, "no uuid"),
        (#"{"uuid":5,"eventType":"a.b"}"#, "no uuid"), (#"{"uuid":"x"}"#, "no eventType"),
        (#"{"uuid":"x\u0000","eventType":"a.b"}"#, "uuid malformed"),
        (#"{"uuid":"x","eventType":"a b"}"#, "event type malformed"),
    ])
    func quarantinesOneElementAlone(_ element: String, _ reason: String) throws {
        let decoded = try decoder.decode(
            Sample.envelope([Sample.event("1"), element, Sample.event("2")]), receivedAt: 3)
        #expect(decoded.events.map(\.id) == ["1", "2"])
        #expect(decoded.quarantined.map(\.reason) == [reason])
        #expect(decoded.quarantined.first?.bytes == Array(element.utf8))
        #expect(decoded.quarantined.first?.hook == "hook")
    }

    /// An event at the limit still fits into the document that templates see; one beyond doesn't trap.
    @Test(arguments: [
        (Event.depthMax, true), (Event.depthMax + 1, false), (JSONDocument.depthMax, false),
        (JSONDocument.depthMax + 1, false), (900, false),
    ])
    func quarantinesWhatIsNestedTooDeeply(_ depth: Int, _ isAccepted: Bool) throws {
        let lists = String(repeating: "[", count: depth - 1) + String(repeating: "]", count: depth - 1)
        let deep = #"{"uuid":"deep","eventType":"user.lifecycle.create","x":\#(lists)}"#
        let decoded = try decoder.decode(Sample.envelope([deep, Sample.event("2")]), receivedAt: 0)
        #expect(decoded.events.map(\.id) == (isAccepted ? ["deep", "2"] : ["2"]))
        #expect(decoded.quarantined.map(\.reason) == (isAccepted ? [] : ["nested too deeply"]))
        #expect(decoded.quarantined.allSatisfy { $0.bytes == Array(deep.utf8) })
        for event in decoded.events {
            let context = EventDocument.Context(
                sink: "s", rule: "r", attempt: 1, idempotencyKey: "k", operation: .create)
            let document = EventDocument.make(event, user: nil, context)
            #expect(document.root["event"]?["uuid"]?.string == event.id)
        }
    }

    @Test func acceptsOnlyTheHooksEventTypes() throws {
        let narrow = EnvelopeDecoder(
            HookConfiguration(
                name: "n", path: "/", secrets: [], events: [EventTypePattern("user.lifecycle.*")]))
        let decoded = try narrow.decode(
            Sample.envelope([Sample.event("1"), Sample.event("2", type: "group.privilege.grant")]),
            receivedAt: 0)
        #expect(decoded.events.map(\.id) == ["1"])
        #expect(decoded.quarantined.map(\.reason) == ["event type not accepted"])
    }

    @Test func takesAPreviewDelivery() throws {
        let preview = """
            {"uuid":"p","eventType":"user.lifecycle.create","actor":null,"target":null,"debugContext":null,
            "outcome":{"result":"Success"},"transaction":{"type":null},"client":{"ipChain":null}}
            """
        let event = try #require(
            try decoder.decode(Sample.envelope([preview]), receivedAt: 0).events.first)
        #expect(event.user == nil && event.published == nil && event.meaning.isEffective)
    }

    @Test func takesAnEnvelopeWithoutEvents() throws {
        let decoded = try decoder.decode(Array(#"{"data":{"events":[]}}"#.utf8), receivedAt: 0)
        #expect(decoded.events.isEmpty && decoded.quarantined.isEmpty)
    }

    @Test(arguments: [
        ("", "empty body"), ("{", "not JSON"), ("\u{1}", "not JSON"), ("[]", "not an envelope"),
        ("{}", "not an envelope"), (#"{"data":{"events":{}}}"#, "not an envelope"),
        (#"{"uuid":"1","eventType":"user.lifecycle.create"}"#, "not an envelope"),
    ])
    func refusesWhatIsNoEnvelope(_ body: String, _ reason: String) {
        let error = #expect(throws: NotAnEnvelope.self) {
            try decoder.decode(Array(body.utf8), receivedAt: 0)
        }
        #expect(error?.reason == reason)
        #expect(error?.explanation.contains("data") == true)
    }

    @Test func explainsABareEvent() {
        #expect(throws: NotAnEnvelope.bareEvent) {
            try decoder.decode(Array(Sample.event("1").utf8), receivedAt: 0)
        }
    }

    @Test func refusesElementsWithoutEnd() {
        let many = Array(repeating: "1", count: EnvelopeDecoder.elementsMax + 1)
        #expect(throws: NotAnEnvelope.tooManyElements) {
            try decoder.decode(Sample.envelope(many), receivedAt: 0)
        }
    }

    /// Real payloads, which lie beside the project on some machines and are not part of it.
    private static let recorded: [String] = {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../../../shared/okta/samples").standardizedFileURL.path
        return ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
            .filter { $0.hasPrefix("hook-") && $0.hasSuffix(".json") }.map { folder + "/" + $0 }
    }()

    @Test(.enabled(if: !recorded.isEmpty, "there are no recorded payloads here"))
    func takesRealDeliveries() throws {
        for path in Self.recorded {
            let decoded = try decoder.decode(Array(Data(contentsOf: URL(filePath: path))), receivedAt: 0)
            #expect(!decoded.events.isEmpty && decoded.quarantined.isEmpty, "\(path)")
        }
    }
}
