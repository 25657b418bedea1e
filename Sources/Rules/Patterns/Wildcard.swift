/// A text in which `*` stands for any run of characters, matched in one pass.
struct Wildcard: Hashable, Sendable {
    /// The literal texts between the stars; one alone where there is no star.
    let pieces: [[UInt8]]
    /// By piece, what `find` needs to know of a long one; empty for a short one.
    private let borders: [[Int32]]

    /// A piece that is longer is searched in linear time; for a short one trying each place is faster.
    private static let triedMax = 16

    init(pieces: [[UInt8]]) {
        self.pieces = pieces
        borders = pieces.map { $0.count > Self.triedMax ? Self.borders($0) : [] }
    }

    /// Reads the notation: `\*` and `\\` are a star and a backslash, and nothing else may be escaped.
    init(parsing text: [UInt8]) throws(Mistake) {
        var pieces: [[UInt8]] = [[]]
        var position = 0
        while position < text.count {
            let byte = text[position]
            position += 1
            switch byte {
            case UInt8(ascii: "*"):
                if position < text.count, text[position] == byte { throw .doubleStar }
                pieces.append([])
            case UInt8(ascii: "\\"):
                guard position < text.count,
                    text[position] == UInt8(ascii: "*") || text[position] == UInt8(ascii: "\\")
                else { throw .badEscape }
                pieces[pieces.count - 1].append(text[position])
                position += 1
            default: pieces[pieces.count - 1].append(byte)
            }
        }
        self.init(pieces: pieces)
    }

    /// What a wildcard must not say.
    enum Mistake: Error {
        case doubleStar, badEscape

        var message: String {
            switch self {
            case .doubleStar: "two stars in a row mean the same as one: write \"*\""
            case .badEscape: #"only \* and \\ may be escaped in a wildcard (in JSON "\\*" and "\\\\")"#
            }
        }
    }

    func matches(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        let head = pieces[0]
        guard pieces.count > 1 else { return text.elementsEqual(head) }
        let tail = pieces[pieces.count - 1]
        guard text.count >= head.count + tail.count, text.starts(with: head), hasSuffix(text, tail) else {
            return false
        }
        var position = head.count
        let end = text.count - tail.count
        for index in 1..<(pieces.count - 1) {
            guard let found = find(index, in: text, from: position, to: end) else { return false }
            position = found + pieces[index].count
        }
        return true
    }

    /// The first place of a piece; the leftmost one is always as good as any other.
    private func find(
        _ index: Int, in text: UnsafeBufferPointer<UInt8>, from start: Int, to end: Int
    ) -> Int? {
        let piece = pieces[index]
        guard let first = piece.first else { return start }
        guard borders[index].isEmpty else { return findLong(index, in: text, from: start, to: end) }
        var position = start
        while position + piece.count <= end {
            if text[position] == first, Self.isEqual(text, at: position, piece) { return position }
            position += 1
        }
        return nil
    }

    /// The same by Knuth, Morris and Pratt, which looks at no byte of the text twice.
    private func findLong(
        _ index: Int, in text: UnsafeBufferPointer<UInt8>, from start: Int, to end: Int
    ) -> Int? {
        let piece = pieces[index]
        let borders = borders[index]
        var matched = 0
        for position in start..<max(start, end) {
            while matched > 0, piece[matched] != text[position] { matched = Int(borders[matched - 1]) }
            if piece[matched] == text[position] { matched += 1 }
            if matched == piece.count { return position + 1 - matched }
        }
        return nil
    }

    /// By place in a piece, how many bytes of its beginning end there too, without being all of them.
    private static func borders(_ piece: [UInt8]) -> [Int32] {
        var result = Array(repeating: Int32(0), count: piece.count)
        var matched = 0
        for place in piece.indices.dropFirst() {
            while matched > 0, piece[matched] != piece[place] { matched = Int(result[matched - 1]) }
            if piece[matched] == piece[place] { matched += 1 }
            result[place] = Int32(matched)
        }
        return result
    }

    private static func isEqual(_ text: UnsafeBufferPointer<UInt8>, at start: Int, _ piece: [UInt8]) -> Bool {
        for offset in 0..<piece.count where text[start + offset] != piece[offset] { return false }
        return true
    }
}

func hasSuffix(_ text: UnsafeBufferPointer<UInt8>, _ suffix: [UInt8]) -> Bool {
    text.count >= suffix.count && text[(text.count - suffix.count)...].elementsEqual(suffix)
}
