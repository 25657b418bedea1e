public import Config
import JSON
import Rules

/// Puts `***` in place of texts that nobody may be shown, in whatever form they stand.
///
/// A text is found in any case of its letters (filters may have changed it), as it is, percent-encoded, and
/// as a JSON string holds it, once or twice over. Immutable, so any number of threads may mask with it.
public struct SecretMask: Sendable {
    /// Shorter texts are a part of too many others to be told from them.
    private static let maskedBytesMin = 4
    private static let stars = Array("***".utf8)

    /// In lower-case ASCII, the longest first, by their first bytes.
    private let words: [UInt8: [[UInt8]]]

    /// Masks these texts; those under 4 bytes stay.
    public init(_ secrets: [Secret] = []) {
        var words: Set<[UInt8]> = []
        for secret in secrets.map(\.revealed) where secret.utf8.count >= Self.maskedBytesMin {
            // Beyond ASCII, letters in another case are other bytes.
            for text in [secret, secret.lowercased(), secret.uppercased()] {
                let once = Self.escaped(text)
                for form in [text, once, Self.escaped(once)] {
                    words.insert(form.utf8.map(Self.lowercase))
                    words.insert(PercentEncoding.encode(form).utf8.map(Self.lowercase))
                }
            }
        }
        self.words = Dictionary(grouping: words.sorted { $0.count > $1.count }) { $0[0] }
    }

    public func masked(_ text: String) -> String {
        words.isEmpty ? text : String(decoding: masked(Array(text.utf8)), as: UTF8.self)
    }

    public func masked(_ text: [UInt8]) -> [UInt8] {
        guard !words.isEmpty else { return text }
        let folded = text.map(Self.lowercase)
        var result: [UInt8] = []
        var position = 0
        while position < text.count {
            if let word = words[folded[position]]?.first(where: { folded[position...].starts(with: $0) }) {
                result += Self.stars
                position += word.count
            } else {
                result.append(text[position])
                position += 1
            }
        }
        return result
    }

    private static func lowercase(_ byte: UInt8) -> UInt8 {
        byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
    }

    /// As a text stands inside JSON.
    private static func escaped(_ text: String) -> String {
        var bytes: [UInt8] = []
        JSONWriter.appendEscaped(text.utf8, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension DeliveryPreview {
    /// The same with the mask over everything that came of the config or the event.
    public func masked(by mask: SecretMask) -> DeliveryPreview {
        switch self {
        case .nothing(let outcome): .nothing(outcome.masked(by: mask))
        case .row(let row):
            .row(
                RowPreview(
                    table: row.table, action: row.action, isForAllRowsOfUser: row.isForAllRowsOfUser,
                    columns: row.columns.map { column in
                        RowPreview.Column(
                            name: column.name, value: column.value.map(mask.masked), isKey: column.isKey,
                            isInsertOnly: column.isInsertOnly)
                    }))
        case .request(let request):
            .request(
                RequestPreview(
                    method: request.method, url: mask.masked(request.url),
                    headers: request.headers.map {
                        RequestPreview.Header(name: $0.name, value: mask.masked($0.value))
                    },
                    body: request.body.map(mask.masked)))
        }
    }
}

extension Receipt.Outcome {
    fileprivate func masked(by mask: SecretMask) -> Receipt.Outcome {
        switch self {
        case .skipped(let reason): .skipped(mask.masked(reason))
        case .rejected(let reason): .rejected(reason: mask.masked(reason))
        case .retry(let after, let reason): .retry(after: after, reason: mask.masked(reason))
        case .delivered, .superseded, .deferred: self
        }
    }
}
