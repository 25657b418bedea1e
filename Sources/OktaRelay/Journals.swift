import ArgumentParser
import Config
import Relay

/// Looking into the journal, whether or not a relay runs.
enum Journals {
    /// Opens the config's journal, asks, and ends the command with the journal's reason where that fails.
    static func ask<Answer>(
        _ configuration: RelayConfiguration,
        _ question: (any Operator.Inspection) async throws(JournalError) -> Answer
    ) async throws -> Answer {
        let journal = try inspectJournal(configuration)
        do {
            return try await question(journal)
        } catch {
            throw Terminal.failure("the journal cannot be read: \(error.reason)")
        }
    }
}

extension Journals {
    /// A name that nobody knows is a slip of the pen, and not an empty list.
    static func know(_ sink: String, _ configuration: RelayConfiguration) async throws {
        let status = try await ask(configuration) { journal throws(JournalError) in
            try await journal.status()
        }
        try know("sink", sink, among: configuration.sinks.map(\.name) + status.sinks.map(\.name))
    }

    /// - Parameter name: Nil is none, and fine.
    static func know(_ kind: String, _ name: String?, among names: [String]) throws {
        guard let name, !names.contains(name) else { return }
        let others = Set(names).sorted().joined(separator: ", ")
        throw Terminal.failure("there is no \(kind) \(name); there are \(others)", .problems)
    }
}

extension PageOption {
    var request: PageRequest { PageRequest(before: before, limit: limit) }

    func noteNextPage(after ids: [Int64]) { size.noteNextPage(after: ids) }
}

extension LimitOption {
    /// Tells how to go on, when a list is as long as its limit.
    func noteNextPage(after ids: [some CustomStringConvertible]) {
        guard ids.count == limit, let last = ids.last else { return }
        Terminal.note("more: --before \(last)")
    }
}
