import JSON

extension Shape {
    /// A list of distinct values; each is decoded even where another is wrong.
    static func list<Element: Sendable>(
        of element: Shape<Element>, _ plural: String, count range: PartialRangeFrom<Int> = 0...
    ) -> Shape where Value == [Element] {
        var schema: [(name: String, value: SchemaNode)] = [
            ("type", "array"), ("items", element.schema), ("uniqueItems", true),
        ]
        if range.lowerBound > 0 { schema.append(("minItems", .integer(range.lowerBound))) }
        return Shape(
            phrase: "a list of \(plural)",
            schema: .object(schema),
            members: element.members,
            standIn: []
        ) { node, context in
            guard node.value.kind == .array else {
                context.wrongType(node, expected: "a list of \(plural)", isList: true)
                return []
            }
            let elements = node.value.elements.enumerated().map { node.element($0.offset, $0.element) }
            if elements.count < range.lowerBound {
                context.error("an empty list; name at least one", at: node)
            }
            var seen: Set<[UInt8]> = []
            for element in elements where !seen.insert(Array(element.value.raw)).inserted {
                context.error("the same value is in the list twice", at: element)
            }
            return elements.map { element.decode($0, context) }
        }
    }

    /// An object whose names the user chooses, in the file's order.
    static func map<Name: Sendable, Element: Sendable>(
        _ name: TextFormat<Name>, to element: Shape<Element>, _ plural: String, isEmptyAllowed: Bool = true
    ) -> Shape where Value == [(name: Name, value: Element)] {
        var schema: [(name: String, value: SchemaNode)] = [
            ("type", "object"), ("propertyNames", ["pattern": .string(name.pattern)]),
            ("additionalProperties", element.schema),
        ]
        if !isEmptyAllowed { schema.append(("minProperties", 1)) }
        return Shape(
            phrase: "an object of \(plural)",
            schema: .object(schema),
            members: element.members,
            standIn: []
        ) { node, context in
            guard node.value.kind == .object else {
                context.wrongType(node, expected: "an object of \(plural)")
                return []
            }
            var result: [(name: Name, value: Element)] = []
            var seen: Set<String> = []
            for (key, value) in node.value.members {
                let text = key.string ?? ""
                let member = node.member(text, value)
                if !seen.insert(text).inserted {
                    context.report(
                        .error, "\"\(quotable(text))\" is there twice", at: member.pointer, offset: key.offset
                    )
                } else if let name = name.parse(text) {
                    result.append((name, element.decode(member, context)))
                } else {
                    context.report(
                        .error, "\"\(quotable(text))\" is not \(name.phrase); \(name.advice)",
                        at: member.pointer, offset: key.offset)
                    context.markBad(member.pointer)
                    _ = element.decode(member, context)
                }
            }
            if seen.isEmpty, !isEmptyAllowed { context.error("an empty object; it needs a member", at: node) }
            return result
        }
    }
}
