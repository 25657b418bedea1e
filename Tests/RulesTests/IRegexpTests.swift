import JSON
import Rules
import Testing

/// Regular expressions of filters, against a plain matcher that follows the expression's tree by sets of
/// positions.
@Suite struct IRegexpTests {
    indirect enum Tree {
        case set(String, (Character) -> Bool)
        case sequence([Tree])
        case choice([Tree])
        case repetition(Tree, least: Int, most: Int?)

        /// As it is written; what is empty, and what is repeated, stands in a group.
        var text: String {
            switch self {
            case .set(let text, _): text
            case .sequence(let parts): parts.map(\.text).joined()
            case .choice(let parts): "(\(parts.map(\.text).joined(separator: "|")))"
            case .repetition(let inner, let least, let most):
                switch (least, most) {
                case (0, nil): "(\(inner.text))*"
                case (1, nil): "(\(inner.text))+"
                case (0, 1): "(\(inner.text))?"
                case (_, nil): "(\(inner.text)){\(least),}"
                case (_, least): "(\(inner.text)){\(least)}"
                case (_, let most): "(\(inner.text)){\(least),\(most ?? 0)}"
                }
            }
        }

        /// Where it may end, from where it may start.
        func ends(_ starts: Set<Int>, _ text: [Character]) -> Set<Int> {
            switch self {
            case .set(_, let takes): Set(starts.filter { $0 < text.count && takes(text[$0]) }.map { $0 + 1 })
            case .sequence(let parts): parts.reduce(starts) { $1.ends($0, text) }
            case .choice(let parts): parts.reduce(into: []) { $0.formUnion($1.ends(starts, text)) }
            case .repetition(let inner, let least, let most):
                repeated(inner, starts, text, least, most ?? least + text.count + 1)
            }
        }

        private func repeated(
            _ inner: Tree, _ starts: Set<Int>, _ text: [Character], _ least: Int, _ most: Int
        ) -> Set<Int> {
            var result: Set<Int> = least == 0 ? starts : []
            var now = starts
            for count in 1...max(most, 1) where count <= most {
                now = inner.ends(now, text)
                if count >= least { result.formUnion(now) }
            }
            return result
        }
    }

    private struct Trees {
        var generator: SeededGenerator

        mutating func tree(_ depth: Int) -> Tree {
            switch generator.count(0...(depth > 0 ? 9 : 3)) {
            case 0, 1:
                let letter = generator.pick(["a", "b", "c", "é"])
                return .set(letter) { String($0) == letter }
            case 2:
                return generator.pick([
                    .set(".") { $0 != "\n" }, .set("[ab]") { "ab".contains($0) },
                    .set("[^a-b]") { !"ab".contains($0) },
                    .set("\\\\p{Ll}") { $0.isLowercase }, .set("[-b]") { "-b".contains($0) },
                ])
            case 3: return .sequence([])
            case 4, 5, 6: return .sequence((0..<generator.count(0...3)).map { _ in tree(depth - 1) })
            case 7: return .choice((0..<generator.count(1...3)).map { _ in tree(depth - 1) })
            default:
                let least = generator.count(0...2)
                let most = generator.chance(40) ? nil : least + generator.count(0...2)
                return .repetition(tree(depth - 1), least: least, most: most)
            }
        }
    }

    @Test(arguments: [41, 42, 43] as [UInt64])
    func agreesWithThePlainMatcher(seed: UInt64) throws {
        var trees = Trees(generator: SeededGenerator(seed: seed))
        var found = (matches: 0, others: 0)
        for _ in 0..<400 {
            let tree = trees.tree(4)
            let texts = (0..<5).map { _ in
                (0..<trees.generator.count(0...6)).map { _ in
                    Character(trees.generator.pick(["a", "b", "c", "é", "-", "B"]))
                }
            }
            let list = texts.map { "\"\(String($0))\"" }.joined(separator: ",")
            let document = try JSONDocument("[\(list)]").root
            for (name, isWhole) in [("match", true), ("search", false)] {
                let query = "$[?\(name)(@, '\(tree.text)')]"
                let selected = try JSONPath(query).nodes(in: document).compactMap(\.string)
                let wanted = texts.filter { text in
                    isWhole
                        ? tree.ends([0], text).contains(text.count)
                        : !tree.ends(Set(0...text.count), text).isEmpty
                }
                #expect(selected == wanted.map { String($0) }, "\(query)")
                found.matches += wanted.count
                found.others += texts.count - wanted.count
            }
        }
        #expect(found.matches > 400 && found.others > 400, "\(found)")
    }
}
