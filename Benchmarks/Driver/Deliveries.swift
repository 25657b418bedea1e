import Foundation

/// How often each event is at a destination, by its `uuid`.
struct Deliveries {
    private(set) var counts: [String: Int] = [:]
    /// Requests that came under the `Idempotency-Key` of an earlier one: not another delivery.
    private(set) var repeats = 0

    init(ids: some Sequence<String>) {
        for id in ids { counts[id, default: 0] += 1 }
    }

    /// Those of a file with an event a line.
    ///
    /// What has no line's end was not written whole. Where the process was killed within a line, the one that
    /// was started next goes on behind it, so a line's last event counts and the one before it does not.
    init(lines path: String) throws {
        try Self.forEachLine(of: path) { line in
            if let id = Self.ids(in: line).last { counts[id, default: 0] += 1 }
        }
    }

    /// Those of the requests that a ``Receiver`` kept: a key, a tab and a body with any number of events.
    init(requests path: String) throws {
        var keys: Set<String> = []
        try Self.forEachLine(of: path) { line in
            let key = line.prefix { $0 != 0x09 }
            guard key.isEmpty || keys.insert(String(decoding: key, as: UTF8.self)).inserted else {
                repeats += 1
                return
            }
            for id in Self.ids(in: line) { counts[id, default: 0] += 1 }
        }
    }

    var total: Int { counts.values.reduce(0, +) }

    private static func forEachLine(of path: String, _ body: (UnsafeRawBufferPointer) -> Void) throws {
        // What never came makes no file.
        guard FileManager.default.fileExists(atPath: path) else { return }
        try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped).withUnsafeBytes { bytes in
            var rest = bytes[...]
            while let start = rest.baseAddress, let end = memchr(start, 0x0A, rest.count) {
                let length = UnsafeRawPointer(end) - start
                body(UnsafeRawBufferPointer(start: start, count: length))
                rest = rest.dropFirst(length + 1)
            }
        }
    }

    /// The `uuid`s in compact JSON; the generator's events have no other member of that name.
    private static func ids(in text: UnsafeRawBufferPointer) -> [String] {
        let name = Array(#""uuid":""#.utf8)
        var ids: [String] = []
        var rest = text[...]
        while let start = rest.baseAddress, let quote = memchr(start, 0x22, rest.count) {
            rest = rest.dropFirst(UnsafeRawPointer(quote) - start)
            guard rest.starts(with: name) else {
                rest = rest.dropFirst()
                continue
            }
            rest = rest.dropFirst(name.count)
            ids.append(String(decoding: rest.prefix { $0 != 0x22 }, as: UTF8.self))
        }
        return ids
    }
}

extension Slice where Base == UnsafeRawBufferPointer {
    fileprivate var baseAddress: UnsafeRawPointer? { base.baseAddress.map { $0 + startIndex } }
}

/// What a `kill -9` under load has left of the events, when all is delivered that ever will be.
struct Aftermath {
    let acknowledged: Int
    /// Acknowledged events that are missing at a destination, or at several.
    let lost: Int
    /// Events that are at a destination more than once, acknowledged or not.
    let doubled: Int
    /// The same for each destination, in words.
    let details: String

    init(acknowledged: [String], _ places: [(name: String, deliveries: Deliveries)]) {
        var (lost, doubled): (Set<String>, Set<String>) = ([], [])
        let texts = places.map { name, deliveries in
            let missing = acknowledged.filter { deliveries.counts[$0] == nil }
            let twice = deliveries.counts.filter { $0.value > 1 }.keys
            lost.formUnion(missing)
            doubled.formUnion(twice)
            let repeats = deliveries.repeats > 0 ? ", \(deliveries.repeats) repeated under their keys" : ""
            return "\(name) \(missing.count) lost, \(twice.count) twice\(repeats)"
        }
        self.acknowledged = acknowledged.count
        self.lost = lost.count
        self.doubled = doubled.count
        details = "\(acknowledged.count) acknowledged; " + texts.joined(separator: "; ")
    }
}
