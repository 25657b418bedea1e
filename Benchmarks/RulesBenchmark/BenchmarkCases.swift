import JSON

/// Lines as `okta-relay test` reads them, each with an event of 2 to 4 KB.
enum BenchmarkCases {
    static func make(_ events: [[UInt8]], _ count: Int) -> [[UInt8]] {
        (0..<count).map { index in
            let event = String(decoding: events[index % events.count], as: UTF8.self)
                .replacing("\n", with: " ")
            let line =
                switch index % 3 {
                case 0:
                    #"{"id":\#(index),"pattern":{"target":{"type":["User"],"alternateId":[{"suffix":".com"}]}},"#
                        + "\"event\":\(event),\"match\":true}"
                case 1:
                    #"{"id":\#(index),"patterns":[{"severity":["INFO"]},{"severity":["WARN"]}],"#
                        + "\"event\":\(event),\"matches\":[0]}"
                default:
                    #"{"id":\#(index),"path":"$.target[?@.type=='User'].type","document":\#(event),"#
                        + #""result":["User"]}"#
                }
            return Array(line.utf8)
        }
    }
}
