import JSON
import Rules

/// One run of the loader over one file: it gathers the issues and knows the surroundings.
///
/// Used by one thread, for the time of one load.
final class LoadContext {
    let document: JSONDocument
    let file: String
    /// The config file's directory, absolute.
    let directory: String
    let surroundings: ConfigSurroundings
    private(set) var issues: [ConfigIssue] = []
    /// What references became; a default that stands in the file itself is not among them.
    private(set) var replacedTexts: Set<String> = []
    /// Places whose decoded value is a stand-in, so that nothing is concluded from it.
    private var badPlaces: Set<String> = []
    /// Every value of the document by its place, so that ten thousand rules are not walked over for each.
    private lazy var places: [String: JSONValue] = {
        var places: [String: JSONValue] = [:]
        func visit(_ value: JSONValue, _ pointer: JSONPointer) {
            places[pointer.description] = value
            for (name, member) in value.members { visit(member, pointer.appending(name.string ?? "")) }
            for (index, element) in value.elements.enumerated() { visit(element, pointer.appending(index)) }
        }
        visit(document.root, .root)
        return places
    }()
    /// The catalogue's answers to patterns that were asked before.
    private var matches: [String: [String]] = [:]

    init(document: JSONDocument, file: String, directory: String, surroundings: ConfigSurroundings) {
        self.document = document
        self.file = file
        self.directory = directory
        self.surroundings = surroundings
    }

    /// The value at a place of the document.
    func value(at pointer: JSONPointer) -> JSONValue? { places[pointer.description] }

    /// The catalogue's types that a pattern matches.
    func matching(_ pattern: EventTypePattern) -> [String] {
        if let known = matches[pattern.description] { return known }
        let found = EventTypeCatalogue.matching(pattern)
        matches[pattern.description] = found
        return found
    }

    // MARK: - Issues

    func error(_ message: String, at node: ConfigNode) {
        badPlaces.insert(node.pointer.description)
        report(.error, message, at: node.pointer, offset: node.value.offset)
    }

    func warning(_ message: String, at node: ConfigNode) {
        report(.warning, message, at: node.pointer, offset: node.value.offset)
    }

    /// Reports at a place that is found in the document, or at the nearest place above it.
    func report(_ severity: ConfigIssue.Severity, _ message: String, at pointer: JSONPointer) {
        for count in (0...pointer.steps.count).reversed() {
            let above = pointer.steps.prefix(count).reduce(JSONPointer.root) { $0.appending($1) }
            if let value = value(at: above) {
                return report(severity, message, at: pointer, offset: value.offset)
            }
        }
        report(severity, message, at: pointer, offset: document.root.offset)
    }

    func report(_ severity: ConfigIssue.Severity, _ message: String, at pointer: JSONPointer, offset: Int) {
        let place = document.place(ofOffset: offset)
        issues.append(
            ConfigIssue(
                severity: severity,
                file: file,
                line: place.line,
                column: place.column,
                pointer: pointer,
                message: message
            )
        )
    }

    /// Notes that the value decoded from here is a stand-in.
    func markBad(_ pointer: JSONPointer) { badPlaces.insert(pointer.description) }

    /// Whether the value decoded from this place, or a part of it, is a stand-in.
    func isBad(_ pointer: JSONPointer) -> Bool {
        let text = pointer.description
        return badPlaces.contains { bad in
            bad == text || text.hasPrefix(bad + "/") || bad.hasPrefix(text + "/")
        }
    }

    func wrongType(_ node: ConfigNode, expected: String, isList: Bool = false) {
        let fix = isList && node.value.kind != .null ? "; write it in brackets: [ … ]" : ""
        error("expected \(expected), found \(node.value.kindPhrase)\(fix)", at: node)
    }

    // MARK: - References

    /// A string with its references replaced; nil where one is unset, an issue unless the part is off.
    func text(of node: ConfigNode) -> (text: String, isReplaced: Bool)? {
        guard let raw = node.value.string else { return nil }
        guard Reference.isIn(raw.utf8) else { return (raw, false) }
        do {
            var result = ""
            for part in try Reference.parts(of: raw) {
                guard let text = resolve(part, for: node) else {
                    markBad(node.pointer)
                    return nil
                }
                result += text
            }
            return (result, true)
        } catch {
            self.error(error.message, at: node)
            return nil
        }
    }

    private func resolve(_ part: Reference, for node: ConfigNode) -> String? {
        switch part {
        case .text(let text): return text
        case .variable(let name, let standby):
            let value = surroundings.variable(name)
            if let standby { return noted(value.flatMap { $0.isEmpty ? nil : $0 }) ?? standby }
            if value == nil { missing("the environment variable \(name) is not set", for: node) }
            return noted(value)
        case .file(let path): return noted(contents(of: path, for: node))
        }
    }

    private func noted(_ text: String?) -> String? {
        if let text, !text.isEmpty { replacedTexts.insert(text) }
        return text
    }

    private func contents(of path: String, for node: ConfigNode) -> String? {
        switch surroundings.read(ConfigSurroundings.absolute(path, in: directory)) {
        case .contents(var bytes):
            if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
            if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
            guard let text = String(validating: bytes, as: UTF8.self) else {
                missing("the file \(path) is not UTF-8 text", for: node)
                return nil
            }
            return text
        case .missing:
            let advice = SecretFiles.isGenerated(node.pointer) ? "; \"serve --init\" creates it" : ""
            missing("the file \(path) does not exist\(advice)", for: node)
        case .unreadable(let reason): missing("the file \(path) cannot be read: \(reason)", for: node)
        }
        return nil
    }

    private func missing(_ message: String, for node: ConfigNode) {
        if node.isDisabled { markBad(node.pointer) } else { error(message, at: node) }
    }
}
