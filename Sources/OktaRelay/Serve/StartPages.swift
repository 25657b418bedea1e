import Foundation

/// Gives back what only the start needed of the program's text.
///
/// The kernel maps 64 KB of the program around each place that runs, and keeps them mapped as long as there
/// is memory. Reading the config, making tables and opening files run through half of it once. What is needed
/// again comes back by itself, from the page cache.
enum StartPages {
    static func giveBack() {
        #if os(Linux)
        guard let maps = try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8) else { return }
        for line in maps.split(separator: "\n") {
            // 7f00a000-7f00c000 r-xp 00000000 fe:01 1234 /usr/lib/…
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            guard fields.count >= 6, fields[1] == "r-xp", fields[5].hasPrefix("/") else { continue }
            let ends = fields[0].split(separator: "-").compactMap { UInt(String($0), radix: 16) }
            guard ends.count == 2, ends[0] < ends[1] else { continue }
            let start = UnsafeMutableRawPointer(bitPattern: ends[0])
            // Text is never written to, so what goes is nothing but a mapping.
            madvise(start, Int(ends[1] - ends[0]), MADV_DONTNEED)
        }
        #endif
    }
}
