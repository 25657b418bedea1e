import JSON
import Rules

/// What no single key can say: whether the parts of the file fit together.
///
/// A place whose value is a stand-in is left out, so that one mistake is one issue.
struct ConfigChecks {
    let draft: RootKeys.Draft
    let context: LoadContext

    func run() {
        checkServer()
        checkAdmin()
        checkHooks()
        checkSinks()
        checkRenames()
        checkTables()
        checkMemberships()
        checkRequests()
        checkMappings()
        checkDelivery()
        checkRules()
        checkReach()
        checkEventTypes()
    }

    // MARK: - Places

    func place(_ steps: Step...) -> JSONPointer {
        steps.reduce(JSONPointer.root) { pointer, step in
            switch step {
            case .name(let name): pointer.appending(name)
            case .index(let index): pointer.appending(index)
            }
        }
    }

    enum Step: ExpressibleByStringLiteral, ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral {
        case name(String)
        case index(Int)

        init(stringLiteral value: String) { self = .name(value) }
        init(integerLiteral value: Int) { self = .index(value) }
    }

    func error(_ message: String, at pointer: JSONPointer) { context.report(.error, message, at: pointer) }
    func warning(_ message: String, at pointer: JSONPointer) {
        context.report(.warning, message, at: pointer)
    }

    func isSound(_ pointer: JSONPointer) -> Bool { !context.isBad(pointer) }

    func has(_ pointer: JSONPointer) -> Bool { context.value(at: pointer) != nil }

    /// The string at a place with its references replaced; nil where it is no sound string.
    func text(at pointer: JSONPointer) -> String? {
        guard isSound(pointer), let value = context.value(at: pointer), value.kind == .string
        else { return nil }
        return context.text(of: ConfigNode(value: value, pointer: pointer, isDisabled: true))?.text
    }

    /// Whether the string at a place is written out instead of being fetched from elsewhere.
    func isLiteral(_ pointer: JSONPointer) -> Bool {
        guard let value = context.value(at: pointer), let text = value.utf8 else {
            return false
        }
        return !Reference.isIn(text)
    }

    /// Reports each value that an earlier one has taken.
    func checkUnique<Key: Hashable>(
        _ values: [(key: Key, pointer: JSONPointer)], _ message: (Key) -> String
    ) {
        var seen: Set<Key> = []
        for (key, pointer) in values where isSound(pointer) && has(pointer) && !seen.insert(key).inserted {
            error(message(key), at: pointer)
        }
    }

    /// A literal secret is a secret for everybody who may read the config file.
    func checkSecret(_ secret: Secret, at pointer: JSONPointer, isOurs: Bool) {
        guard isSound(pointer) else { return }
        if isLiteral(pointer) {
            warning(
                "a secret in the config file itself; put it in a file or variable and write ${file:…} or"
                    + " ${env:…}", at: pointer)
        }
        if isOurs, secret.revealed.utf8.count < 16 {
            warning("a secret of fewer than 16 characters can be guessed; use a long random one", at: pointer)
        }
    }
}
