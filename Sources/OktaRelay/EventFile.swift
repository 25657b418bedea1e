import ArgumentParser
import JSON
import Relay

/// A file with one LogEvent, or with an envelope full of them.
enum EventFile {
    /// More than an event may have: one that is nested too deeply is the event's own defect, as in the
    /// intake.
    private static let depthMax = EnvelopeDecoder.depthMax

    /// Each event as a document of its own; `-` reads standard input.
    static func bodies(_ path: String) throws -> [JSONDocument] {
        let bytes = try ConfigurationFile.read(path)
        do throws(JSONSyntaxError) {
            let document = try JSONDocument(bytes, depthMax: depthMax)
            guard let events = document.root["data"]?["events"], events.kind == .array else {
                return [document]
            }
            var bodies: [JSONDocument] = []
            for event in events.elements {
                bodies.append(try JSONDocument(Array(event.raw), depthMax: depthMax))
            }
            return bodies
        } catch {
            let place = JSONDocument.place(ofOffset: error.offset, in: bytes)
            throw Terminal.failure("\(path):\(place.line):\(place.column): \(error.reason)", .problems)
        }
    }
}
