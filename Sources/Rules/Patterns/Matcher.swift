import JSON

/// One entry of a pattern's leaf: what one value has to be.
indirect enum Matcher: Hashable, Sendable {
    case string([UInt8])
    case number(NumberLiteral)
    /// `true`, `false` or `null`.
    case literal(JSONKind)
    case prefix([UInt8])
    case suffix([UInt8])
    /// The text is folded already.
    case equalsIgnoringCase([UInt8])
    case prefixIgnoringCase([UInt8])
    case suffixIgnoringCase([UInt8])
    case wildcard(Wildcard)
    /// A value that none of these match.
    case anythingBut(MatcherList)
    case numeric(NumericRange)
    case cidr(CIDRBlock)
    /// Any value that is there.
    case exists

    /// Whether a scalar of an event matches.
    func matches(_ entry: TapeEntry, in tape: TapeView) -> Bool {
        switch self {
        case .exists: return true
        case .anythingBut(let excluded): return !excluded.contains(entry, in: tape)
        case .literal(let kind): return entry.kind == kind
        case .number(let number): return entry.kind == .number && number.equals(tape.text(entry))
        case .numeric(let range):
            guard entry.kind == .number, let number = NumberLiteral.exactDouble(tape.text(entry)) else {
                return false
            }
            return range.contains(number)
        case .string(let wanted): return entry.kind == .string && tape.isString(entry, wanted)
        default:
            guard entry.kind == .string else { return false }
            return tape.withString(entry) { matches(text: $0) }
        }
    }

    /// Whether a string's value matches.
    private func matches(text: UnsafeBufferPointer<UInt8>) -> Bool {
        switch self {
        case .prefix(let prefix): text.starts(with: prefix)
        case .suffix(let suffix): hasSuffix(text, suffix)
        case .equalsIgnoringCase(let wanted): CaseFolding.fold(text) == wanted
        case .prefixIgnoringCase(let prefix): CaseFolding.fold(text).starts(with: prefix)
        case .suffixIgnoringCase(let suffix):
            CaseFolding.fold(text).withUnsafeBufferPointer { hasSuffix($0, suffix) }
        case .wildcard(let wildcard): wildcard.matches(text)
        case .cidr(let block): block.contains(text)
        default: false
        }
    }
}

/// An interval of numbers, open or closed at either end.
struct NumericRange: Hashable, Sendable {
    var lower = -Double.infinity
    var upper = Double.infinity
    var includesLower = true
    var includesUpper = true

    func contains(_ number: Double) -> Bool {
        (includesLower ? number >= lower : number > lower)
            && (includesUpper ? number <= upper : number < upper)
    }
}
