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
    /// Refuses names that neither the config nor a record has; nil is none, and fine.
    static func know(
        _ names: KeyValuePairs<NamedKind, String?>, _ configuration: RelayConfiguration
    ) async throws {
        let journal = try inspectJournal(configuration)
        do {
            try await configuration.operatorSettings.know(names, in: journal)
        } catch let problem as OperatorProblem {
            throw Terminal.failure(problem.text, .problems)
        } catch let error as JournalError {
            throw Terminal.failure("the journal cannot be read: \(error.reason)")
        }
    }
}

extension PageOption {
    /// For the page, and one record more, which tells whether there is another page.
    var request: PageRequest { PageRequest(before: before, limit: limit).andOneMore }
}

extension LimitOption {
    /// What is shown of records, of which one more was asked for.
    func page<Record>(of records: [Record]) -> [Record] { Array(records.prefix(limit)) }

    /// Where the next page goes on, by the ids of all that were found; nil where that is all.
    func next<ID>(after ids: [ID]) -> ID? { ids.count > limit ? ids[limit - 1] : nil }

    /// Tells how to go on where there are more than are shown.
    func noteNextPage(after ids: [some CustomStringConvertible]) {
        if let next = next(after: ids) { Terminal.note("more: --before \(next)") }
    }
}
