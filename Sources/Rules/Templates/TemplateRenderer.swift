import JSON

/// One rendering of one template over one document.
struct TemplateRenderer {
    /// Values that lie in each other are written again and again, so their texts together are bounded.
    private static let selectedBytesMax = 64 << 20

    let document: JSONValue
    let place: Template.Place

    mutating func render(_ node: TemplateNode) throws(TemplateError) -> RenderedValue {
        switch node {
        case .constant(let value): return value
        case .placeholder(let placeholder):
            switch place {
            case .value: return try value(placeholder).rendered
            case .url: return .string(try text(placeholder) ?? "")
            case .header: return try text(placeholder).map { .string($0) } ?? .missing
            }
        case .text(let parts): return try render(parts)
        case .array, .object:
            var writer = JSONWriter()
            try write(node, to: &writer)
            return .json(writer.bytes)
        }
    }

    /// Writes a node where it yields anything.
    private mutating func write(_ node: TemplateNode, to writer: inout JSONWriter) throws(TemplateError) {
        switch node {
        case .array(let elements):
            writer.open("[")
            for element in elements { try write(element, to: &writer) }
            writer.close("]")
        case .object(let members):
            writer.open("{")
            for (name, member) in members {
                switch member {
                case .array, .object:
                    writer.name(name)
                    try write(member, to: &writer)
                default:
                    let value = try render(member)
                    guard value != .missing else { continue }
                    writer.name(name)
                    value.write(to: &writer)
                }
            }
            writer.close("}")
        default: try render(node).write(to: &writer)
        }
    }

    /// A longer string.
    ///
    /// In a value, what is missing or null is empty text; in a header it leaves the header out; in a URL it
    /// is an error.
    private mutating func render(_ parts: [TemplateNode.TextPart]) throws(TemplateError) -> RenderedValue {
        var result = ""
        for part in parts {
            switch part {
            case .literal(let text): result += text
            case .placeholder(let placeholder):
                guard let text = try text(placeholder) else {
                    if place == .header { return .missing }
                    continue
                }
                result += text
            }
        }
        return .string(result)
    }

    /// A placeholder as text, made safe for the place; nil where it yields nothing or null.
    private mutating func text(_ placeholder: Placeholder) throws(TemplateError) -> String? {
        let value = try value(placeholder)
        let text: String
        switch value {
        case .missing, .null:
            guard place != .url else {
                throw TemplateError("\(placeholder.source) yields no value, which a URL must not have")
            }
            return nil
        case .array, .object:
            guard place == .value else {
                throw TemplateError("\(placeholder.source) is a list or an object; say | join or | json")
            }
            var writer = JSONWriter()
            value.write(to: &writer)
            text = writer.text
        default: text = value.text ?? ""
        }
        switch place {
        case .value: return text
        case .url:
            guard !text.isEmpty else {
                throw TemplateError("\(placeholder.source) is empty, which a URL must not have")
            }
            // A dot segment would be taken out of the path by whoever normalizes it (RFC 3986 §5.2.4), and
            // with it the segment before.
            guard text != ".", text != ".." else {
                throw TemplateError(
                    "\(placeholder.source) is a dot segment, which would change the URL's path")
            }
            return PercentEncoding.encode(text)
        case .header:
            guard !text.utf8.contains(where: { $0 == 0x0D || $0 == 0x0A || $0 == 0 }) else {
                throw TemplateError(
                    "\(placeholder.source) has a line break or NUL, which a header must not have")
            }
            return text
        }
    }

    /// A placeholder's value behind all its filters.
    private func value(_ placeholder: Placeholder) throws(TemplateError) -> TemplateValue {
        var value = try selected(placeholder)
        for filter in placeholder.filters {
            do throws(TemplateFilter.Refusal) {
                value = try filter.apply(value)
            } catch {
                throw TemplateError("\(placeholder.source) | \(filter.name): \(error.reason)")
            }
        }
        return value
    }

    /// What the path selects.
    private func selected(_ placeholder: Placeholder) throws(TemplateError) -> TemplateValue {
        let path: JSONPath
        switch placeholder.subject {
        case .literal(let text): return .string(text)
        case .path(let query): path = query
        }
        let nodes: [Int]
        do throws(JSONPathError) {
            nodes = try path.indices(in: document)
        } catch {
            throw TemplateError("\(placeholder.source) \(error)")
        }
        switch placeholder.selection {
        case .all:
            let values = nodes.map { document.document.value(at: $0) }
            guard values.reduce(0, { $0 + $1.raw.count }) <= Self.selectedBytesMax else {
                throw TemplateError("\(placeholder.source) \(JSONPathError())")
            }
            return .array(values.map(TemplateValue.init))
        case .one, .first:
            if nodes.count > 1, placeholder.selection == .one {
                let places = nodes.prefix(3).map { document.document.location(of: $0, below: document) }
                throw TemplateError(
                    "\(placeholder.source) selects \(nodes.count) values (\(places.joined(separator: ", "))"
                        + "\(nodes.count > 3 ? ", …" : "")); say | first or | all")
            }
            return nodes.first.map { TemplateValue(document.document.value(at: $0)) } ?? .missing
        }
    }
}

extension JSONDocument {
    /// The normalized path (RFC 9535 §2.7) of the value at a tape index, seen from a value above it.
    func location(of index: Int, below root: JSONValue) -> String {
        var result = "$"
        var value = root
        while value.tapeIndex != index {
            var next: JSONValue?
            for (name, member) in value.members where member.tapeIndex <= index {
                guard index < member.tapeEnd else { continue }
                next = member
                result += "['\(name.string ?? "")']"
            }
            for (place, element) in value.elements.enumerated() where element.tapeIndex <= index {
                guard index < element.tapeEnd else { continue }
                next = element
                result += "[\(place)]"
            }
            guard let next else { return result }
            value = next
        }
        return result
    }
}

/// RFC 3986 §2.1.
package enum PercentEncoding {
    private static let digits = Array("0123456789ABCDEF".utf8)

    /// Encodes everything but the unreserved characters, so a value can never be more than part of a segment.
    package static func encode(_ text: String) -> String {
        var result: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"), UInt8(ascii: "~"):
                result.append(byte)
            default:
                result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 0x0F)]]
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
