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

    /// Asks for a page of a list, shows it, and tells how to go on.
    ///
    /// - Parameters:
    ///   - work: What is shown on a terminal meanwhile; nil where it takes no time.
    ///   - names: What the filter names: where nothing is found, one that nobody knows is a mistake.
    func show<Record: RecordJSON>(
        of configuration: RelayConfiguration, while work: String?, _ output: OutputOption,
        knowing names: KeyValuePairs<NamedKind, String?>,
        as table: ([Record]) -> TextTable, by id: (Record) -> Int64,
        _ question: (any Operator.Inspection, PageRequest) async throws(JournalError) -> [Record]
    ) async throws {
        var bar = ProgressBar(work ?? "")
        defer { bar.finish() }
        if let work { bar.show(work) }
        let records = try await Journals.ask(configuration) { journal throws(JournalError) in
            try await question(journal, request)
        }
        bar.finish()
        if records.isEmpty { try await Journals.know(names, configuration) }
        let shown = size.page(of: records)
        if output.json { Terminal.write(shown.json) } else { Terminal.write(table(shown)) }
        size.noteNextPage(after: records.map(id))
    }
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
