import JSON
import Relay

/// A record of the journal's whose JSON form is the operator's side's.
protocol RecordJSON {
    func write(to writer: inout JSONWriter)
}

extension RecordJSON {
    /// The record by itself.
    var json: [UInt8] {
        var writer = JSONWriter()
        write(to: &writer)
        return writer.bytes
    }
}

extension Array where Element: RecordJSON {
    /// The records as a list.
    var json: [UInt8] {
        var writer = JSONWriter()
        writer.array { list in
            for record in self { record.write(to: &list) }
        }
        return writer.bytes
    }
}

extension EventRecord: RecordJSON {
    func write(to writer: inout JSONWriter) { AdminJSON.write(self, to: &writer) }
}

extension DeadLetterRecord: RecordJSON {
    func write(to writer: inout JSONWriter) { AdminJSON.write(self, to: &writer) }
}

extension QuarantineRecord: RecordJSON {
    func write(to writer: inout JSONWriter) { AdminJSON.write(self, to: &writer) }
}

extension UserHistory: RecordJSON {
    func write(to writer: inout JSONWriter) { writer.object { AdminJSON.write(self, to: &$0) } }
}

extension DetachedRange: RecordJSON {
    func write(to writer: inout JSONWriter) { AdminJSON.write(self, to: &writer) }
}

extension [Replay] {
    func json(_ prospects: ReplayProspects) -> [UInt8] {
        var writer = JSONWriter()
        writer.array { list in
            for replay in self {
                list.object { AdminJSON.write(replay, prospects, to: &$0) }
            }
        }
        return writer.bytes
    }
}

extension SettlementRecord: RecordJSON {
    func write(to writer: inout JSONWriter) { AdminJSON.write(self, to: &writer) }
}

extension ReceiptRecord: RecordJSON {
    func write(to writer: inout JSONWriter) { AdminJSON.write(self, to: &writer) }
}

extension OperationRecord: RecordJSON {
    func write(to writer: inout JSONWriter) { AdminJSON.write(self, to: &writer) }
}
