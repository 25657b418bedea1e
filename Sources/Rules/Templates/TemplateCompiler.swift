import JSON

/// Reads a template's JSON, and collects every mistake with its place.
struct TemplateCompiler {
    let place: Template.Place
    /// The value at a place as a person wrote it.
    let written: (JSONPointer) -> JSONValue?
    private(set) var problems: [LanguageProblem] = []

    init(place: Template.Place, written: @escaping (JSONPointer) -> JSONValue?) {
        self.place = place
        self.written = written
    }

    /// The template's tree; meaningless once there are problems.
    mutating func compile(_ value: JSONValue) -> TemplateNode {
        if place != .value, value.kind != .string {
            report(value, .root, "a \(place == .url ? "URL" : "header") is a string")
            return .constant(.missing)
        }
        let node = compile(value, .root)
        if place == .header, case .constant(.string(let text)) = node { check(header: text, value) }
        if place == .header, case .text(let parts) = node {
            for case .literal(let text) in parts { check(header: text, value) }
        }
        return node
    }

    private mutating func check(header text: String, _ value: JSONValue) {
        if text.utf8.contains(where: { $0 == 0x0D || $0 == 0x0A || $0 == 0 }) {
            report(value, .root, "a header cannot have a line break or NUL")
        }
    }

    private mutating func compile(_ value: JSONValue, _ pointer: JSONPointer) -> TemplateNode {
        switch value.kind {
        case .null: return .constant(.null)
        case .true: return .constant(.bool(true))
        case .false: return .constant(.bool(false))
        case .number: return .constant(.number(value.numberText ?? "0"))
        case .string: return text(value, pointer)
        case .array:
            let nodes = value.elements.enumerated().map { compile($1, pointer.appending($0)) }
            return nodes.allSatisfy(\.isConstant) ? .constant(.json(Array(value.raw))) : .array(nodes)
        case .object:
            var names: Set<[UInt8]> = []
            var members: [(name: String, value: TemplateNode)] = []
            for (name, member) in value.members {
                let text = name.string ?? ""
                let place = pointer.appending(text)
                if !names.insert(Array(text.utf8)).inserted {
                    report(name, place, "the name \"\(text)\" stands here twice")
                }
                if text.utf8.count >= 2, text.contains("{{") {
                    report(name, place, "a name cannot have placeholders")
                }
                members.append((text, compile(member, place)))
            }
            return members.allSatisfy(\.value.isConstant)
                ? .constant(.json(Array(value.raw))) : .object(members)
        }
    }

    // MARK: - Strings

    private mutating func text(_ value: JSONValue, _ pointer: JSONPointer) -> TemplateNode {
        guard !value.hasLoneSurrogate else {
            report(value, pointer, "half a surrogate pair is not a character")
            return .constant(.missing)
        }
        let text = value.string ?? ""
        let bytes = Array(text.utf8)
        // What errors quote must not be a text that a reference became.
        let sources = written(pointer)?.string.map(Self.sources)
        var count = 0
        var parts: [TemplateNode.TextPart] = []
        var literalStart = 0
        var position = 0
        while position + 1 < bytes.count {
            guard bytes[position] == UInt8(ascii: "{"), bytes[position + 1] == UInt8(ascii: "{") else {
                position += 1
                continue
            }
            guard let end = PlaceholderParser.end(of: bytes, from: position + 2) else {
                report(
                    value, pointer,
                    "'{{' is not closed by '}}'; for the text itself write {{ '{{' }}")
                return .constant(.missing)
            }
            if position > literalStart {
                parts.append(.literal(String(decoding: bytes[literalStart..<position], as: UTF8.self)))
            }
            let inside = String(decoding: bytes[(position + 2)..<end], as: UTF8.self)
            do throws(PlaceholderMistake) {
                var parser = PlaceholderParser(inside)
                var placeholder = try parser.parse()
                if let sources {
                    placeholder.source = count < sources.count ? sources[count] : "placeholder \(count + 1)"
                }
                count += 1
                parts.append(.placeholder(placeholder))
            } catch {
                report(value, pointer, "in {{\(inside)}}: \(error.message)")
            }
            position = end + 2
            literalStart = position
        }
        if literalStart < bytes.count {
            parts.append(.literal(String(decoding: bytes[literalStart...], as: UTF8.self)))
        }
        guard parts.contains(where: { if case .placeholder = $0 { true } else { false } }) else {
            return .constant(.string(text))
        }
        if parts.count == 1, case .placeholder(let placeholder) = parts[0] {
            return .placeholder(placeholder)
        }
        return .text(parts)
    }

    /// What stands before the filters of each placeholder, in order.
    private static func sources(of text: String) -> [String] {
        let bytes = Array(text.utf8)
        var sources: [String] = []
        var position = 0
        while position + 1 < bytes.count {
            guard bytes[position] == UInt8(ascii: "{"), bytes[position + 1] == UInt8(ascii: "{"),
                let end = PlaceholderParser.end(of: bytes, from: position + 2)
            else {
                position += 1
                continue
            }
            sources.append(PlaceholderParser.source(of: Array(bytes[(position + 2)..<end])))
            position = end + 2
        }
        return sources
    }

    private mutating func report(_ value: JSONValue, _ pointer: JSONPointer, _ message: String) {
        problems.append(LanguageProblem(pointer: pointer, offset: value.offset, message: message))
    }
}
