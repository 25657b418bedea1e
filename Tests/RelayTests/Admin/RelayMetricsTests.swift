import Foundation
import Relay
import Testing

@Suite struct RelayMetricsTests {
    private static let status = JournalStatus(
        accepted: 3, duplicates: 0, unrouted: 0, quarantined: 0, horizon: Offset(rawValue: 3), sizeBytes: 77,
        sinks: [
            SinkStatus(
                name: "users", cursor: .zero, waiting: 2, oldestWaitingReceivedAt: 1_000_000_000,
                delivered: 1,
                superseded: 0, skipped: 0, retried: 0, parked: 1, dead: 0)
        ])

    private func rendered() -> [String] {
        let metrics = RelayMetrics(
            version: "1.0 \"x\"\\\n", hooks: ["main"], sinks: ["users"], startedAt: 1_500_000_000)
        metrics.settled(sink: "users", outcomes: [.delivered: 2], retried: 1, dead: 3)
        metrics.settled(sink: "users", outcomes: [.delivered: 2, .skipped: 1], retried: 0, dead: 0)
        metrics.breaker(sink: "users", .halfOpen)
        return metrics.render(status: Self.status, isReady: true, now: 3_500_000_000)
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    @Test func rendersThePrometheusTextFormat() {
        let lines = rendered()
        #expect(lines.last == "")
        #expect(lines.contains(#"okta_relay_build_info{version="1.0 \"x\"\\\n"} 1"#))
        #expect(lines.contains("okta_relay_process_start_time_seconds 1.5"))
        #expect(lines.contains(#"okta_relay_sink_settled_total{sink="users",outcome="delivered"} 4"#))
        #expect(lines.contains(#"okta_relay_sink_retries_total{sink="users"} 1"#))
        #expect(lines.contains(#"okta_relay_sink_dead_letters_total{sink="users"} 3"#))
        #expect(lines.contains(#"okta_relay_sink_breaker_state{sink="users",state="halfOpen"} 1"#))
        #expect(lines.contains(#"okta_relay_sink_breaker_state{sink="users",state="open"} 0"#))
        #expect(lines.contains(#"okta_relay_sink_oldest_waiting_seconds{sink="users"} 2.5"#))
        #expect(lines.contains(#"okta_relay_sink_waiting_entries{sink="users"} 2"#))
        #expect(lines.contains(#"okta_relay_append_duration_seconds_bucket{le="+Inf"} 0"#))
        #expect(lines.contains("okta_relay_journal_size_bytes 77"))
    }

    @Test func theDocumentListsExactlyTheRenderedNamesAndTypes() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../../docs/METRICS.md").standardizedFileURL
        let documented = try String(contentsOf: path, encoding: .utf8).split(separator: "\n")
            .filter { $0.hasPrefix("| `okta_relay_") }
            .map { line in
                let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
                return "\(cells[0].trimmingCharacters(in: ["`"])) \(cells[1])"
            }
        let types = rendered().filter { $0.hasPrefix("# TYPE ") }.map { String($0.dropFirst(7)) }
        #expect(documented.sorted() == types.sorted())
    }

    @Test func everySampleStandsBehindItsFamily() {
        var family = ""
        for line in rendered() where !line.isEmpty {
            if line.hasPrefix("# TYPE ") { family = String(line.split(separator: " ")[2]) }
            if !line.hasPrefix("#") { #expect(line.hasPrefix(family), "\(line)") }
        }
    }
}
