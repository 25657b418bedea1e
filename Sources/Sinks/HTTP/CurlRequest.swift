/// One outbound request, ready to be sent as it is.
public struct CurlRequest: Sendable {
    public var method: String
    public var url: String
    /// In order; values with CR, LF or NUL are refused when it is sent.
    public var headers: [(name: String, value: String)]
    /// Nil sends none.
    public var body: [UInt8]?
    public var policy: AddressPolicy
    /// From connect to the last byte of the response.
    public var timeout: Duration
    /// Whether the destination may get it twice without harm; if not, it is never sent a second time.
    public var mayRepeat: Bool
    /// Only opens a connection (TLS included) and closes it again.
    public var connectsOnly: Bool

    /// - Parameter mayRepeat: Nil decides by the method (RFC 9110 section 9.2.2): all but POST and PATCH may.
    public init(
        method: String,
        url: String,
        headers: [(name: String, value: String)] = [],
        body: [UInt8]? = nil,
        policy: AddressPolicy,
        timeout: Duration = .seconds(15),
        mayRepeat: Bool? = nil,
        connectsOnly: Bool = false
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.policy = policy
        self.timeout = timeout
        self.mayRepeat = mayRepeat ?? Self.isIdempotent(method)
        self.connectsOnly = connectsOnly
    }

    static func isIdempotent(_ method: String) -> Bool {
        ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"].contains(method)
    }

    /// Throws what makes it unfit to be given to libcurl, which would not look.
    func validate() throws(CurlFailure) {
        guard !method.isEmpty, method.utf8.allSatisfy(Self.isTokenByte) else {
            throw .invalidRequest("the method is not an HTTP token")
        }
        for (name, value) in headers {
            guard !name.isEmpty, name.utf8.allSatisfy(Self.isTokenByte) else {
                throw .invalidRequest("a header's name is not an HTTP token")
            }
            guard !Self.framingHeaders.contains(where: { HTTPHeaderList.areSame($0, name) }) else {
                throw .invalidRequest("header \(name) belongs to the connection and cannot be set")
            }
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
                throw .invalidRequest("header \(name) would hold a line break or another control character")
            }
        }
        try CurlURL.validate(url, policy: policy)
    }

    /// Headers that say where a message ends or what becomes of its connection: a second opinion about those
    /// is how requests are smuggled.
    private static let framingHeaders = [
        "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer",
        "expect",
    ]

    /// `tchar` of RFC 9110 section 5.6.2.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}

/// What came back, with bounds: 64 KiB of headers, and the first 64 KiB of the decoded body.
public struct CurlResponse: Sendable {
    public var status: Int
    /// Of the final response, in order, names as they were sent.
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]
    /// Whether ``body`` is all of it.
    public var isBodyComplete: Bool
    /// Whether the connection ended before the body did.
    public var isCutOff: Bool
    /// The server's `Retry-After`, whichever form it had; nil where there is none or it is past.
    public var retryAfter: Duration?

    /// The first header of that name, in any case.
    public func header(_ name: String) -> String? {
        headers.first { HTTPHeaderList.areSame($0.name, name) }?.value
    }
}

/// Why there is no response; the texts name no URL, no body and no header's value.
public enum CurlFailure: Error, Sendable, Equatable {
    /// The request itself is unusable; nothing was sent.
    case invalidRequest(String)
    /// The policy refuses every address of the host; no packet left.
    case addressRefused
    /// No connection came about; nothing was sent.
    case notSent(String)
    /// The request was sent, in part at least, and what became of it is unknown.
    case outcomeUnknown(String)
    /// TLS will fail until a person changes something; nothing was sent.
    case misconfigured(String)
    /// The response breaks the protocol or a bound; the request arrived.
    case badResponse(String)
    /// It was sent and then given up, by its task or with the client; what became of the request is unknown.
    case cancelled
    /// The client was shut down; nothing was sent.
    case closed

    /// For a person.
    public var reason: String {
        switch self {
        case .invalidRequest(let reason), .notSent(let reason), .outcomeUnknown(let reason),
            .misconfigured(let reason), .badResponse(let reason):
            reason
        case .addressRefused: "the host's address is private, loopback or reserved"
        case .cancelled: "stopped before an answer came"
        case .closed: "the client was shut down"
        }
    }
}
