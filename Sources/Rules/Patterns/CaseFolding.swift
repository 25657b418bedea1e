/// Simple case folding: one character to one, as `equals-ignore-case` compares.
///
/// Unicode's full folding would make `ß` equal to `ss`; a pattern's author does not expect a match to change
/// its length, so characters without a single counterpart stay as they are.
enum CaseFolding {
    /// The folded UTF-8 text.
    static func fold(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var isASCII = true
        for byte in text {
            isASCII = isASCII && byte < 0x80
            result.append(lowercase(byte))
        }
        if isASCII { return result }
        result.removeAll(keepingCapacity: true)
        for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
            if scalar.isASCII {
                result.append(lowercase(UInt8(truncatingIfNeeded: scalar.value)))
            } else {
                result.append(contentsOf: String(Character(fold(scalar))).utf8)
            }
        }
        return result
    }

    static func fold(_ text: [UInt8]) -> [UInt8] { text.withUnsafeBufferPointer { fold($0) } }

    @inline(__always)
    private static func lowercase(_ byte: UInt8) -> UInt8 {
        byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
    }

    private static func fold(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        // The dotless i is a letter of its own, although its capital is the capital of i.
        if scalar == "\u{131}" { return scalar }
        if let counterpart = counterparts[scalar] { return counterpart }
        let upper = single(scalar.properties.uppercaseMapping) ?? scalar
        return single(upper.properties.lowercaseMapping) ?? upper
    }

    /// Letters that Unicode 15.1 folds to another one, although neither has a capital of one character.
    private static let counterparts: [Unicode.Scalar: Unicode.Scalar] = [
        "\u{1FD3}": "\u{390}", "\u{1FE3}": "\u{3B0}", "\u{FB05}": "\u{FB06}",
    ]

    private static func single(_ text: String) -> Unicode.Scalar? {
        text.unicodeScalars.count == 1 ? text.unicodeScalars.first : nil
    }
}
