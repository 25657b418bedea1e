import Foundation

/// Gives back the memory of what only the start needed of the program and its libraries.
///
/// The kernel maps 64 KB of a file around each place that is looked at, and keeps them mapped as long as
/// there is room. Linking, reading the config, making tables and opening files go through half of the program
/// once. What is needed again comes back by itself, from the page cache.
enum StartPages {
    static func giveBack() {
        #if os(Linux)
        guard let mappings = try? String(contentsOfFile: "/proc/self/smaps", encoding: .utf8) else { return }
        var current: (start: UInt, end: UInt)?
        for line in mappings.split(separator: "\n") {
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            guard fields.count > 1 else { continue }
            if fields[0].contains("-") {
                current = readOnlyPart(ofFile: fields)
            } else if let mapping = current, fields[0] == "Anonymous:", fields[1] == "0" {
                // None of its pages is the process's own copy, so what goes is nothing but a mapping.
                madvise(
                    UnsafeMutableRawPointer(bitPattern: mapping.start), Int(mapping.end - mapping.start),
                    MADV_DONTNEED)
            }
        }
        #endif
    }

    /// The addresses of a mapping, from the words of its head, where it is a file's and not to be written to:
    /// `7f00a000-7f00c000 r-xp 00000000 fe:01 1234 /usr/lib/…`.
    private static func readOnlyPart(ofFile fields: [Substring]) -> (start: UInt, end: UInt)? {
        guard fields.count >= 6, ["r-xp", "r--p"].contains(fields[1]), fields[5].hasPrefix("/") else {
            return nil
        }
        let ends = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
        return ends.count == 2 && ends[0] < ends[1] ? (ends[0], ends[1]) : nil
    }
}
