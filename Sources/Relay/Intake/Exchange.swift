package import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import NIOHTTPTypes

/// One request and its answer, as a listener's responder sees them.
package struct Exchange: ~Copyable {
    package let head: HTTPRequest
    private var body: BodyReader
    private let writer: ResponseWriter
    private let channel: any Channel

    init(request: Request, writer: consuming ResponseWriter, channel: any Channel) {
        head = request.head
        body = BodyReader(request)
        self.writer = writer
        self.channel = channel
    }

    /// The address at the other end of the connection; nil where it has none.
    var peer: String? { channel.remoteAddress?.ipAddress }

    /// The path without its query.
    var path: Substring {
        let target = head.path ?? ""
        return target[..<(target.utf8.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex)]
    }

    /// What follows the path's `?`.
    var query: Substring {
        let target = head.path ?? ""
        guard let mark = target.utf8.firstIndex(of: UInt8(ascii: "?")) else { return "" }
        return target[target.utf8.index(after: mark)...]
    }

    /// Whether the client announced a body.
    var hasBody: Bool {
        head.headerFields[.transferEncoding] != nil || (body.announced ?? 0) > 0
    }

    /// Takes the whole body, one copy of it; stops as soon as it is known to be longer than the limit.
    ///
    /// A client that waits for `100 Continue` is told to go on, so a request that is refused before never
    /// sends its body.
    package mutating func collectBody(upTo limit: Int) async throws -> [UInt8] {
        if let announced = body.announced, announced > limit { throw BodyTooLarge() }
        if head.headerFields[.expect]?.lowercased() == "100-continue" {
            try await writer.writeInformationalHead(HTTPResponse(status: .continue))
        }
        return try await body.collect(upTo: limit)
    }

    /// Sends the answer; where the connection is to end it throws ``ConnectionDone`` at last, on which the
    /// server closes it.
    consuming func finish(_ answer: HTTPAnswer, drainBytesMax: Int) async throws {
        var rest = body
        try await writer.write(response: answer.head, body: answer.responseBody)
        guard answer.closesConnection else { return }
        // To close with unread bytes in the socket is to reset the connection, and then the client may never
        // see the answer. So what it is still sending is read and dropped, within bounds; its time is bounded
        // by ``ConnectionBounds``.
        await rest.drain(upTo: drainBytesMax)
        throw ConnectionDone()
    }
}

/// The answer is out and the connection is to be closed.
struct ConnectionDone: Error {}

/// The body is longer than the limit.
struct BodyTooLarge: Error {}

/// Reads one request's body, once.
private struct BodyReader {
    /// `Content-Length`; nil for a chunked body.
    let announced: Int?
    private let body: RequestBody
    private var iterator: RequestBody.AsyncIterator?

    init(_ request: Request) {
        announced = request.headers[.contentLength].flatMap { Int($0) }
        body = request.body
    }

    mutating func collect(upTo limit: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(announced ?? 4096)
        while let part = try await next() {
            guard bytes.count + part.readableBytes <= limit else { throw BodyTooLarge() }
            bytes.append(contentsOf: part.readableBytesView)
        }
        // A server that is told to stop ends its bodies early, and half a body must not pass for a whole one.
        try Task.checkCancellation()
        return bytes
    }

    mutating func drain(upTo limit: Int) async {
        var count = 0
        do {
            while count <= limit, let part = try await next() { count += part.readableBytes }
        } catch {
            // The client is gone or too slow: there is nothing left to read, and that is all this is for.
        }
    }

    private mutating func next() async throws -> ByteBuffer? {
        var current = iterator ?? body.makeAsyncIterator()
        let part = try await current.next()
        iterator = current
        return part
    }
}
