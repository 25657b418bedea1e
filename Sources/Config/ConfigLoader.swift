import JSON
import Rules

/// Reads a config file: its bytes in, settings or every issue out.
///
/// Five steps, each of which goes on where another part of the file is wrong:
/// 1. ``JSONDocument`` checks the syntax; here the first mistake is the only one.
/// 2. ``Shape`` decodes the keys: unknown, missing and repeated ones, types, formats, ranges.
/// 3. ``Reference``s are replaced in strings on the way.
/// 4. Patterns and templates are compiled.
/// 5. `ConfigChecks` looks whether the parts fit together.
public struct ConfigLoader: Sendable {
    /// What came of a file.
    public struct Outcome: Sendable {
        /// Nil if, and only if, one of the issues is an error.
        public let configuration: RelayConfiguration?
        /// In the file's order.
        public let issues: [ConfigIssue]

        public var errors: [ConfigIssue] { issues.filter { $0.severity == .error } }
        public var warnings: [ConfigIssue] { issues.filter { $0.severity == .warning } }
    }

    private let surroundings: ConfigSurroundings
    private let toleratesUnset: Bool

    /// - Parameter toleratesUnset: Whether references may be unset everywhere, as they may in parts that are
    ///   disabled: for work on the rules alone, on a machine that has none of the secrets. What comes of it
    ///   is not fit to run.
    public init(surroundings: ConfigSurroundings = .live, toleratesUnset: Bool = false) {
        self.surroundings = surroundings
        self.toleratesUnset = toleratesUnset
    }

    /// Loads a file.
    ///
    /// A path that cannot be read is an issue at its first line.
    public func load(path: String) -> Outcome {
        let absolute = ConfigSurroundings.absolute(path, in: Self.currentDirectory)
        switch surroundings.read(absolute) {
        case .contents(let bytes): return load(bytes, file: path, directory: Self.directory(of: absolute))
        case .missing:
            return failure("the file does not exist; name another with --config FILE", file: path)
        case .unreadable(let reason): return failure("the file cannot be read: \(reason)", file: path)
        }
    }

    /// Loads a text.
    ///
    /// - Parameters:
    ///   - file: the name that issues show.
    ///   - directory: absolute; relative paths in the file start there.
    public func load(_ bytes: [UInt8], file: String, directory: String) -> Outcome {
        let document: JSONDocument
        do {
            document = try JSONDocument(bytes)
        } catch {
            let place = JSONDocument.place(ofOffset: error.offset, in: bytes)
            return failure("not JSON: \(error.reason)", file: file, line: place.line, column: place.column)
        }
        let context = LoadContext(
            document: document, file: file, directory: directory, surroundings: surroundings)
        let root = ConfigNode(value: document.root, pointer: .root, isDisabled: toleratesUnset)
        let draft = RootKeys.shape.decode(root, context)
        if document.root.kind == .object { ConfigChecks(draft: draft, context: context).run() }
        let issues = context.issues.inFileOrder
        let isSound = !issues.contains { $0.severity == .error }
        guard isSound else { return Outcome(configuration: nil, issues: issues) }
        var configuration = draft.configuration(directory: directory)
        configuration.replacedTexts = context.replacedTexts.sorted().map { Secret($0) }
        return Outcome(configuration: configuration, issues: issues)
    }

    private func failure(_ message: String, file: String, line: Int = 1, column: Int = 1) -> Outcome {
        Outcome(
            configuration: nil,
            issues: [
                ConfigIssue(
                    severity: .error, file: file, line: line, column: column, pointer: .root, message: message
                )
            ]
        )
    }
}

extension [ConfigIssue] {
    /// By place, and at one place in the order of finding.
    fileprivate var inFileOrder: [ConfigIssue] {
        enumerated().sorted { a, b in
            (a.element.line, a.element.column, a.offset) < (b.element.line, b.element.column, b.offset)
        }.map(\.element)
    }
}

extension RootKeys.Draft {
    /// The settings, with absolute paths.
    fileprivate func configuration(directory: String) -> RelayConfiguration {
        func absolute(_ path: String) -> String { ConfigSurroundings.absolute(path, in: directory) }
        func absolute(_ tls: TLSConfiguration?) -> TLSConfiguration? {
            tls.map {
                TLSConfiguration(
                    certificatePath: absolute($0.certificatePath), keyPath: absolute($0.keyPath))
            }
        }
        var server = server
        server.tls = absolute(server.tls)
        var admin = admin
        admin.tls = absolute(admin.tls)
        var journal = journal
        journal.path = absolute(journal.path)
        return RelayConfiguration(
            server: server,
            admin: admin,
            hooks: hooks,
            journal: journal,
            sinks: sinks.compactMap { name, sink in
                sink.kind.map { kind in
                    var kind = kind
                    if case .sqlite(var sqlite) = kind {
                        sqlite.path = absolute(sqlite.path)
                        kind = .sqlite(sqlite)
                    }
                    return SinkConfiguration(
                        name: name, isEnabled: sink.isEnabled, delivery: sink.delivery(to: kind),
                        from: sink.from,
                        maxBehind: sink.maxBehind, renamedFrom: sink.renamedFrom, kind: kind)
                }
            },
            rules: rules.map(\.rule)
        )
    }
}
