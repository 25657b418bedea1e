import ArgumentParser
import Foundation
import JSON

/// A file with one LogEvent, or with an envelope full of them.
enum EventFile {
    /// Each event as a document of its own; `-` reads standard input.
    static func bodies(_ path: String) throws -> [JSONDocument] {
        let bytes =
            path == "-"
            ? Array(FileHandle.standardInput.readDataToEndOfFile()) : try ConfigurationFile.read(path)
        do throws(JSONSyntaxError) {
            // What is nested too deeply for an event is the event's own defect, as it is in an intake.
            let document = try JSONDocument(bytes, depthMax: 10_000)
            guard let events = document.root["data"]?["events"], events.kind == .array else {
                return [document]
            }
            var bodies: [JSONDocument] = []
            for event in events.elements { bodies.append(try JSONDocument(Array(event.raw), depthMax: 10_000)) }
            return bodies
        } catch {
            let place = JSONDocument.place(ofOffset: error.offset, in: bytes)
            throw Terminal.failure("\(path):\(place.line):\(place.column): \(error.reason)", .problems)
        }
    }
}
