import Foundation
import JSON

/// A plain, slow matcher, written from the language's description and in another way than the real one: it
/// flattens the event to leaves, each with the array elements on its way, and tries all choices of leaves.
struct ReferenceMatcher {
    struct Leaf {
        let path: [String]
        let value: JSONValue
        /// From an array's offset to the element's index.
        let elements: [Int: Int]
    }

    let leaves: [Leaf]

    init(_ event: JSONValue) {
        var leaves: [Leaf] = []
        func flatten(_ value: JSONValue, _ path: [String], _ elements: [Int: Int]) {
            switch value.kind {
            case .object:
                for (name, member) in value.members { flatten(member, path + [name.string ?? ""], elements) }
            case .array:
                for (index, element) in value.elements.enumerated() {
                    var inner = elements
                    if element.kind == .object || element.kind == .array { inner[value.offset] = index }
                    flatten(element, path, inner)
                }
            default: leaves.append(Leaf(path: path, value: value, elements: elements))
            }
        }
        flatten(event, [], [:])
        self.leaves = leaves
    }

    func matches(_ pattern: JSONValue) -> Bool {
        alternatives(pattern, []).contains { solve($0[...], [:]) }
    }

    /// Lists of (path, leaf of the pattern).
    private func alternatives(_ pattern: JSONValue, _ path: [String]) -> [[([String], JSONValue)]] {
        var result: [[([String], JSONValue)]] = [[]]
        for (name, value) in pattern.members {
            let name = name.string ?? ""
            var inner: [[([String], JSONValue)]]
            if name == "$or" {
                inner = value.elements.flatMap { alternatives($0, path) }
            } else if value.kind == .object {
                inner = alternatives(value, path + [name])
            } else {
                inner = [[(path + [name], value)]]
            }
            result = result.flatMap { head in inner.map { head + $0 } }
        }
        return result
    }

    private func solve(_ conditions: ArraySlice<([String], JSONValue)>, _ chosen: [Int: Int]) -> Bool {
        guard let (path, wanted) = conditions.first else { return true }
        let here = leaves.filter { $0.path == path }
        let rest = conditions.dropFirst()
        let allowsMissing = wanted.elements.contains { $0["exists"]?.bool == false }
        if here.isEmpty { return allowsMissing && solve(rest, chosen) }
        return here.contains { leaf in
            guard leaf.elements.allSatisfy({ chosen[$0.key] == nil || chosen[$0.key] == $0.value }),
                wanted.elements.contains(where: { entry($0, leaf.value) })
            else { return false }
            return solve(rest, chosen.merging(leaf.elements) { old, _ in old })
        }
    }

    private func entry(_ entry: JSONValue, _ value: JSONValue) -> Bool {
        guard let (name, operand) = entry.members.first(where: { _ in true }) else {
            if entry.kind == .number { return equalNumbers(entry, value) }
            return entry.kind == value.kind
                && entry.string?.unicodeScalars.map(\.value)
                    == value.string?.unicodeScalars.map(\.value)
        }
        let text = value.string.map { Array($0.unicodeScalars) }
        switch name.string {
        case "exists": return operand.bool == true
        case "prefix", "suffix", "equals-ignore-case", "wildcard":
            return text.map { textual(name.string ?? "", operand, $0) } ?? false
        case "anything-but":
            if operand.kind == .object, let (inner, list) = operand.members.first(where: { _ in true }) {
                guard let text else { return true }
                let values = list.kind == .array ? Array(list.elements) : [list]
                return !values.contains { textual(inner.string ?? "", $0, text) }
            }
            let values = operand.kind == .array ? Array(operand.elements) : [operand]
            return !values.contains { self.entry($0, value) }
        case "numeric": return numeric(Array(operand.elements), value)
        case "cidr": return cidr(operand.string ?? "", value.string ?? "")
        default: return false
        }
    }

    private func textual(_ name: String, _ operand: JSONValue, _ text: [Unicode.Scalar]) -> Bool {
        func fold(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
            scalars.map { Array($0.properties.lowercaseMapping.unicodeScalars)[0] }
        }
        if operand.kind == .object, let inner = operand["equals-ignore-case"]?.string {
            let wanted = fold(Array(inner.unicodeScalars))
            let folded = fold(text)
            return name == "prefix" ? folded.starts(with: wanted) : folded.suffix(wanted.count) == wanted[...]
        }
        let wanted = Array((operand.string ?? "").unicodeScalars)
        switch name {
        case "prefix": return text.starts(with: wanted)
        case "suffix": return text.suffix(wanted.count) == wanted[...]
        case "wildcard": return wild(wanted[...], text[...])
        default: return fold(text) == fold(wanted)
        }
    }

    private func wild(_ wanted: ArraySlice<Unicode.Scalar>, _ text: ArraySlice<Unicode.Scalar>) -> Bool {
        guard let first = wanted.first else { return text.isEmpty }
        if first == "*" {
            return wild(wanted.dropFirst(), text) || (!text.isEmpty && wild(wanted, text.dropFirst()))
        }
        let rest = first == "\\" ? wanted.dropFirst() : wanted
        return text.first == rest.first && wild(rest.dropFirst(), text.dropFirst())
    }

    /// Only for the literals that the generator writes: those of 16 digits and more equal their text only.
    private func equalNumbers(_ one: JSONValue, _ other: JSONValue) -> Bool {
        guard let left = one.numberText, let right = other.numberText else { return false }
        return left == right || (left.count < 16 && right.count < 16 && one.double == other.double)
    }

    private func numeric(_ parts: [JSONValue], _ value: JSONValue) -> Bool {
        guard let number = value.double, value.raw.count < 16 else { return false }
        return stride(from: 0, to: parts.count, by: 2).allSatisfy { index in
            let bound = parts[index + 1].double ?? .nan
            return switch parts[index].string {
            case "=": number == bound
            case "<": number < bound
            case "<=": number <= bound
            case ">": number > bound
            default: number >= bound
            }
        }
    }

    private func cidr(_ block: String, _ text: String) -> Bool {
        let parts = block.split(separator: "/")
        guard let base = bits(String(parts[0])), let count = Int(parts[1]), let address = bits(text),
            base.count == address.count
        else { return false }
        return base.prefix(count) == address.prefix(count)
    }

    private func bits(_ text: String) -> [Bool]? {
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 {
            bytes = Array(bytes.prefix(4))
        } else if inet_pton(AF_INET6, text, &bytes) != 1 {
            return nil
        }
        return bytes.flatMap { byte in (0..<8).map { byte >> (7 - $0) & 1 == 1 } }
    }
}
