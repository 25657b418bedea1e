import Config
import Foundation
import JSON
import Relay
import Rules

/// Writes what a replay would send, and sends nothing.
struct ReplayRendering {
    let configuration: RelayConfiguration

    init(_ configuration: RelayConfiguration) { self.configuration = configuration }

    /// What was written.
    struct Rendered {
        var lines = 0
        /// Whether all entries of the time are kept.
        var isWhole: Bool
    }

    /// Writes one JSON object a line, for each event that would go to the sink, as the sink would take it
    /// after what it was told until now, and after those before it in the replay.
    ///
    /// - Parameter path: A new file, which only its owner may read, and which is not there where this fails;
    ///   `-` is standard output.
    func render(_ order: ReplayOrder, to path: String) async throws -> Rendered {
        let journal = try inspectJournal(configuration)
        let file = try Self.open(path)
        let previews = SinkPreviews(configuration)
        do {
            let result = try await render(order, journal, previews, file)
            await previews.shutdown()
            return result
        } catch {
            await previews.shutdown()
            if path != Self.standardOutput { unlink(path) }
            throw error
        }
    }

    private func render(
        _ order: ReplayOrder, _ journal: any Operator.Inspection, _ previews: SinkPreviews,
        _ file: FileHandle
    ) async throws -> Rendered {
        let settings = configuration.operatorSettings
        var result = Rendered(isWhole: true)
        var bar = ProgressBar("rendering")
        do {
            let span = try await journal.span(since: order.since, until: order.until)
            let (first, last) = (span.after, span.last)
            result.isWhole = try await journal.isWhole(span)
            var position = first
            var states: [Subject: FoldState] = [:]
            while position < last {
                let replay = Replay(
                    id: "render",
                    request: ReplayRequest(
                        sink: order.sink, filter: order.filter, since: order.since,
                        until: order.until, after: first),
                    startedAt: 0, after: position, last: last, appended: 0, endedAt: nil)
                let page = try await journal.storedEvents(
                    after: position, through: last, since: order.since)
                let step = settings.step(replay, through: page)
                let unknown = Set(step.events.compactMap(\.event.subject)).filter { states[$0] == nil }
                states.merge(try await journal.states(order.sink, of: Array(unknown))) { $1 }
                var text: [UInt8] = []
                for event in step.events { text += line(event, previews, &states) }
                try file.write(contentsOf: Data(text))
                result.lines += step.events.count
                result.isWhole = result.isWhole && step.isWhole
                position = step.end
                bar.show(
                    Double(position.rawValue - first.rawValue) / Double(last.rawValue - first.rawValue))
            }
        } catch let error as JournalError {
            throw Terminal.failure("the journal cannot be read: \(error.reason)")
        } catch {
            throw Terminal.failure("the file cannot be written: \(error.localizedDescription)")
        }
        bar.finish()
        return result
    }

    private func line(
        _ routed: Submission.RoutedEvent, _ previews: SinkPreviews, _ states: inout [Subject: FoldState]
    ) -> [UInt8] {
        var state = routed.event.subject.flatMap { states[$0] }
        defer { if let subject = routed.event.subject { states[subject] = state } }
        var writer = JSONWriter()
        writer.object { object in
            object.member("eventId", routed.event.id)
            object.member("eventType", routed.event.type)
            for choice in routed.route.choices {
                object.member("sink", choice.sink)
                object.member("rule", choice.rule)
                guard
                    let answer = previews.answer(
                        routed.event, choice, replay: routed.replay, state: &state)
                else { continue }
                PreviewJSON.write(answer, to: &object)
            }
        }
        return writer.bytes + Array("\n".utf8)
    }

    private static let standardOutput = "-"

    private static func open(_ path: String) throws -> FileHandle {
        guard path != standardOutput else { return .standardOutput }
        let descriptor = Foundation.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            let reason =
                errno == EEXIST ? "it is there already; name a new one" : String(cString: strerror(errno))
            throw Terminal.failure("\(path) cannot be made: \(reason)")
        }
        return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }
}
