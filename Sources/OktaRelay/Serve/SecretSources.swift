import JSON

/// Where the secrets lie that a config file refers to, for telling a person.
///
/// It reads the file's text and not the loaded configuration, for that holds only the values.
struct SecretSources {
    /// Where a secret's value comes from.
    enum Source: Equatable {
        /// `${file:path}`; the path is usable from the working directory.
        case file(String)
        /// `${env:NAME}`.
        case environment(String)
        /// Written into the config file itself, or put together from several pieces.
        case text
    }

    /// Each hook's secrets, by the hook's place in the file.
    let hooks: [[Source]]
    /// The admin token, where there is one.
    let admin: Source?

    /// - Parameter path: The config file's path, from which relative paths in it are resolved.
    init(config: [UInt8], path: String) throws(JSONSyntaxError) {
        let root = try JSONDocument(config).root
        let directory = String(path.dropLast(path.lastName.count))
        func source(_ value: JSONValue) -> Source {
            Self.source(value.string ?? "", directory: directory)
        }
        hooks = root["hooks"]?.elements.map { hook in hook["secrets"]?.elements.map(source) ?? [] } ?? []
        admin = root["admin"]?["token"].map(source)
    }

    private static func source(_ text: String, directory: String) -> Source {
        guard text.hasPrefix("${"), text.hasSuffix("}"), text.lastIndex(of: "$") == text.startIndex else {
            return .text
        }
        let inner = text.dropFirst(2).dropLast()
        if inner.hasPrefix("file:") {
            let path = String(inner.dropFirst(5))
            return .file(path.hasPrefix("/") ? path : directory + path)
        }
        guard inner.hasPrefix("env:") else { return .text }
        return .environment(String(inner.dropFirst(4).prefix { $0 != ":" }))
    }
}

extension String {
    /// What stands behind the last slash.
    fileprivate var lastName: Substring { self[(lastIndex(of: "/").map(index(after:)) ?? startIndex)...] }
}
