package import HTTPTypes
import Hummingbird
import JSON
import NIOCore

/// What a request is answered with.
package struct HTTPAnswer: Sendable {
    var status: HTTPResponse.Status
    var fields: HTTPFields
    var body: [UInt8]
    /// Whether the connection ends with this answer, because the rest of the request is not worth reading.
    var closesConnection: Bool

    package init(
        _ status: HTTPResponse.Status,
        fields: HTTPFields = [:],
        body: [UInt8] = [],
        closesConnection: Bool = false
    ) {
        self.status = status
        self.fields = fields
        self.body = body
        self.closesConnection = closesConnection
        if closesConnection { self.fields[.connection] = "close" }
    }

    /// A JSON answer.
    static func json(
        _ status: HTTPResponse.Status = .ok, fields: HTTPFields = [:], closesConnection: Bool = false,
        _ write: (inout JSONWriter) throws -> Void
    ) rethrows -> HTTPAnswer {
        var writer = JSONWriter()
        try writer.object(write)
        var answer = HTTPAnswer(
            status, fields: fields, body: writer.bytes, closesConnection: closesConnection)
        answer.fields[.contentType] = "application/json"
        return answer
    }

    /// `{"error": …}`, for a person.
    static func error(
        _ status: HTTPResponse.Status, _ text: String, fields: HTTPFields = [:],
        closesConnection: Bool = false
    ) -> HTTPAnswer {
        json(status, fields: fields, closesConnection: closesConnection) { $0.member("error", text) }
    }

    var head: HTTPResponse {
        var fields = fields
        fields[.contentLength] = String(body.count)
        return HTTPResponse(status: status, headerFields: fields)
    }

    var responseBody: ResponseBody {
        body.isEmpty ? ResponseBody() : ResponseBody(byteBuffer: ByteBuffer(bytes: body))
    }
}
