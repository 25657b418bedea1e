import ArgumentParser
import Config
import JSON
import Relay
import Synchronization

/// `journal`: care for the journal's file.
struct JournalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "journal",
        abstract: "Check the journal's file, or back it up.",
        discussion: """
            Both work while a relay runs.

            Example:
              okta-relay journal backup /backup/journal.sqlite
            """,
        subcommands: [VerifyCommand.self, BackupCommand.self]
    )

    /// `journal verify`: reads everything.
    struct VerifyCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify",
            abstract: "Read the whole journal and report everything that is wrong with it.",
            discussion: """
                The start of the relay only looks at what takes no time; this reads every event. It works \
                while a relay runs, and on a backup. Exit code 0 when the journal is sound, 1 when it is \
                not, 2 when it cannot be read.

                Example:
                  okta-relay journal verify --config sinks.json
                  okta-relay journal verify /backup/journal-2026-11-23.sqlite
                """
        )

        @OptionGroup var file: ConfigOption
        @OptionGroup var output: OutputOption

        @Argument(help: "The file to read; without it, the config's journal.")
        var journal: String?

        func run() async throws {
            let path = try journal ?? ConfigurationFile.load(file.config).journal.path
            let bar = SharedProgressBar("reading entries")
            let found: JournalVerification
            do throws(JournalError) {
                found = try await SQLiteJournalInspection(path: path).verify { stage in
                    switch stage {
                    case .table(let name): bar.show("reading the table \(name)")
                    case .entries(let share): bar.show(share)
                    case .references: bar.show("comparing counts and references")
                    case .structure: bar.show("checking the structure of the file, which may take as long")
                    }
                }
                bar.finish()
            } catch {
                bar.finish()
                throw Terminal.failure("\(path) cannot be verified: \(error.reason)")
            }
            output.json ? Terminal.write(Self.json(found, path)) : Terminal.write(Self.text(found, path))
            if !found.isSound { throw ExitStatus.problems.code }
        }

        static func text(_ found: JournalVerification, _ path: String) -> String {
            var lines = found.problems
            if found.problemCount > lines.count {
                lines.append("and \(found.problemCount - lines.count) more")
            }
            let read = [
                Wording.count(found.entries, "event"),
                Wording.count(found.deadLetters, "dead letter"), Wording.count(found.users, "user"),
            ].joined(separator: ", ")
            let verdict = found.isSound ? "sound" : Wording.count(found.problemCount, "problem")
            lines.append("\(path): \(read) read, \(verdict)")
            return lines.joined(separator: "\n")
        }

        static func json(_ found: JournalVerification, _ path: String) -> [UInt8] {
            var writer = JSONWriter()
            writer.object { object in
                object.member("journal", path)
                object.member("isSound", found.isSound)
                object.member("entries", found.entries)
                object.member("deadLetters", found.deadLetters)
                object.member("users", found.users)
                object.member("problemCount", found.problemCount)
                object.name("problems")
                object.array { list in for problem in found.problems { list.string(problem) } }
            }
            return writer.bytes
        }
    }

    /// `journal backup`: a copy at one instant.
    struct BackupCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "backup",
            abstract: "Copy the journal into one file, while the relay runs or not.",
            discussion: """
                The copy is the journal at one instant, readable by its owner only, and on disk when the \
                command ends. A file that is there is never replaced. How to restore one is written in \
                docs/OPERATING.md.

                Example:
                  okta-relay journal backup /backup/journal-$(date +%F).sqlite
                """
        )

        @OptionGroup var file: ConfigOption
        @OptionGroup var output: OutputOption

        @Argument(help: "The file to write; it must not be there.")
        var target: String

        func run() async throws {
            let configuration = try ConfigurationFile.load(file.config)
            let bar = SharedProgressBar("copying")
            do throws(JournalError) {
                let journal = try SQLiteJournalInspection.ofAnyVersion(path: configuration.journal.path)
                try await journal.backup(to: target) { bar.show($0) }
                bar.finish()
            } catch {
                bar.finish()
                throw Terminal.failure("the journal could not be backed up: \(error.reason)")
            }
            if output.json {
                var writer = JSONWriter()
                writer.object { object in
                    object.member("journal", configuration.journal.path)
                    object.member("backup", target)
                }
                Terminal.write(writer.bytes)
            } else {
                Terminal.write("\(configuration.journal.path) is copied to \(target)")
            }
        }
    }
}

/// A bar that a journal's thread moves on.
private final class SharedProgressBar: Sendable {
    private let bar: Mutex<ProgressBar>

    init(_ label: String) { bar = Mutex(ProgressBar(label)) }

    func show(_ share: Double) { bar.withLock { $0.show(share) } }
    func show(_ work: String) { bar.withLock { $0.show(work) } }
    func finish() { bar.withLock { $0.finish() } }
}
