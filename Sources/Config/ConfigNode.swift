import JSON

/// One value of the config file with its place, as the decoding walks over it.
struct ConfigNode {
    let value: JSONValue
    let pointer: JSONPointer
    /// Whether it belongs to a part that is switched off, so that its references may be unset.
    var isDisabled = false

    func member(_ name: String, _ value: JSONValue) -> ConfigNode {
        ConfigNode(value: value, pointer: pointer.appending(name), isDisabled: isDisabled)
    }

    func element(_ index: Int, _ value: JSONValue) -> ConfigNode {
        ConfigNode(value: value, pointer: pointer.appending(index), isDisabled: isDisabled)
    }

    /// The member of that name, if the value is an object that has it.
    func member(_ name: String) -> ConfigNode? { value[name].map { member(name, $0) } }
}

extension JSONValue {
    /// What a person calls the kind of this value.
    var kindPhrase: String {
        switch kind {
        case .null: "null"
        case .true, .false: "\(kind == .true)"
        case .number: "a number"
        case .string: "a string"
        case .array: "a list"
        case .object: "an object"
        }
    }
}

extension JSONPointer {
    /// The names and indices that lead there.
    var steps: [String] {
        description.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map {
            String($0).replacing("~1", with: "/").replacing("~0", with: "~")
        }
    }
}
