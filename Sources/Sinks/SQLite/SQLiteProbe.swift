import Foundation
import GRDB
import Relay

/// Looks whether a SQLite file could be used and whether its table fits, and creates nothing: neither the
/// file nor its folder, neither table nor write-ahead log.
struct SQLiteProbe {
    let plan: TablePlan
    let path: String

    /// Blocks.
    ///
    /// - Parameter open: The connection that deliveries use, where there is one already.
    func run(_ open: DatabaseQueue?) throws(SinkError) {
        if let open { return try check(open) }
        guard FileManager.default.fileExists(atPath: path) else { return try checkFolder() }
        let queue: DatabaseQueue
        do {
            var configuration = Configuration()
            configuration.busyMode = .timeout(5)
            configuration.label = "sqlite probe"
            queue = try DatabaseQueue(path: path, configuration: configuration)
        } catch {
            throw TableFailure(sqlite: error, path: path).sinkError
        }
        defer { try? queue.close() }
        try check(queue)
    }

    private func check(_ queue: DatabaseQueue) throws(SinkError) {
        let result: Result<Void, TableFailure> = queue.unsafeReentrantWrite { database in
            Result { () throws(TableFailure) in
                try SQLiteSchema(plan: plan, database: database, path: path).check()
            }
        }
        do throws(TableFailure) {
            try result.get()
        } catch {
            throw error.sinkError
        }
    }

    /// Whether the file could be made: the nearest folder that is there takes new entries.
    private func checkFolder() throws(SinkError) {
        guard plan.createsMissing else {
            throw .misconfigured(reason: "\(path) does not exist, and \"create\" is false")
        }
        var folder = URL(fileURLWithPath: path).deletingLastPathComponent()
        while folder.path != "/", !FileManager.default.fileExists(atPath: folder.path) {
            folder.deleteLastPathComponent()
        }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder), isFolder.boolValue
        else { throw .misconfigured(reason: "\(path) cannot be made: \(folder.path) is not a folder") }
        guard FileManager.default.isWritableFile(atPath: folder.path) else {
            throw .misconfigured(
                reason: "\(path) cannot be made: \(folder.path) is not writable; check its permissions")
        }
    }
}
