import Foundation

/// Whole HTTP requests in one file, each behind its length; mapped, so that sending one copies nothing.
struct RequestPool {
    private let bytes: UnsafeRawBufferPointer
    private let ranges: [Range<Int>]

    static let secret = "benchmark-hook-secret"
    static let path = "/okta/events"

    static func write(_ bodies: [[UInt8]], to path: String) throws {
        var file: [UInt8] = []
        file.reserveCapacity(bodies.reduce(0) { $0 + $1.count + 256 })
        for body in bodies {
            // The headers that Okta sends.
            let head =
                "POST \(Self.path) HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n"
                + "Accept-Encoding: gzip,deflate\r\nUser-Agent: Okta-EventHooks/1.0\r\n"
                + "Content-Type: application/json\r\n"
                + "Authorization: \(secret)\r\nContent-Length: \(body.count)\r\n\r\n"
            let length = UInt32(head.utf8.count + body.count)
            withUnsafeBytes(of: length.littleEndian) { file.append(contentsOf: $0) }
            file.append(contentsOf: head.utf8)
            file.append(contentsOf: body)
        }
        try Data(file).write(to: URL(fileURLWithPath: path))
    }

    init(mapping path: String) throws {
        let descriptor = open(path, O_RDONLY)
        let size = Int(lseek(descriptor, 0, SEEK_END))
        guard descriptor >= 0, size > 0 else { throw BenchmarkError("no pool of requests at \(path)") }
        let flags = MAP_PRIVATE | MAP_POPULATE
        guard let start = mmap(nil, size, PROT_READ, flags, descriptor, 0), start != MAP_FAILED else {
            throw BenchmarkError("cannot map \(path)")
        }
        close(descriptor)
        bytes = UnsafeRawBufferPointer(start: start, count: size)
        var ranges: [Range<Int>] = []
        var position = 0
        while position + 4 <= size {
            let length = Int(
                UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
            ranges.append((position + 4)..<(position + 4 + length))
            position += 4 + length
        }
        self.ranges = ranges
    }

    var count: Int { ranges.count }
    subscript(_ index: Int) -> Range<Int> { ranges[index] }

    func withBytes<R>(_ range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        body(UnsafeRawBufferPointer(rebasing: bytes[range]))
    }
}
