import CCurl
import Foundation
import Relay

/// One request while libcurl has it: its options, and what the callbacks saw.
///
/// Lives and is used on the loop's thread only. libcurl's callbacks get it as an unretained pointer, which is
/// good because the loop holds it until the handle is out of the multi handle.
final class CurlTransfer {
    /// Bytes of headers, and of the body, that are kept.
    static let keptBytesMax = 64 * 1024
    /// Bytes of a body that are read in order to keep the connection; behind them the transfer is cut.
    static let readBytesMax = 1024 * 1024

    let job: CurlJob
    let easy: UnsafeMutableRawPointer
    private let reuse: ConnectionReuse
    private var headerList: UnsafeMutablePointer<curl_slist>?

    // What the callbacks saw.
    private var sends = 0
    private var openedSockets = 0
    private var refusedAddresses = 0
    private var status = 0
    private var isHeadComplete = false
    private var isHeadTooLong = false
    private var headBytes = 0
    private var headers: [(name: String, value: String)] = []
    private var body: [UInt8] = []
    private var bodyBytes = 0

    init(job: CurlJob, easy: UnsafeMutableRawPointer, reuse: ConnectionReuse) {
        self.job = job
        self.easy = easy
        self.reuse = reuse
    }

    func freeHeaders() {
        if let headerList { curl_slist_free_all(headerList) }
        headerList = nil
    }

    // MARK: - Options

    /// Sets every option; false when libcurl refuses one.
    func configure() -> Bool {
        let request = job.request
        let context = Unmanaged.passUnretained(self).toOpaque()
        let milliseconds = max(1, Int(request.timeout.nanoseconds / 1_000_000))
        return relay_curl_set_string(easy, CURLOPT_URL, request.url) == CURLE_OK
            && setBounds(milliseconds: milliseconds)
            && setPolicy(request.policy)
            && setMethod(request)
            && setHeaders(request)
            && relay_curl_set_write_function(easy, CURLOPT_HEADERFUNCTION, onHeader) == CURLE_OK
            && relay_curl_set_write_function(easy, CURLOPT_WRITEFUNCTION, onBody) == CURLE_OK
            && relay_curl_set_opensocket_function(easy, onOpenSocket) == CURLE_OK
            && relay_curl_set_prereq_function(easy, onSend) == CURLE_OK
            && [CURLOPT_HEADERDATA, CURLOPT_WRITEDATA, CURLOPT_OPENSOCKETDATA, CURLOPT_PREREQDATA]
                .allSatisfy { relay_curl_set_pointer(easy, $0, context) == CURLE_OK }
    }

    private func setBounds(milliseconds: Int) -> Bool {
        let options: [(CURLoption, Int)] = [
            (CURLOPT_NOSIGNAL, 1),
            (CURLOPT_TIMEOUT_MS, milliseconds),
            (CURLOPT_CONNECTTIMEOUT_MS, min(milliseconds, 5_000)),
            (CURLOPT_TCP_KEEPALIVE, 1),
            (CURLOPT_MAXAGE_CONN, job.request.mayRepeat ? reuse.repeatable : reuse.once),
            // So that a changed DNS answer is noticed.
            (CURLOPT_MAXLIFETIME_CONN, 300),
            // Without it libcurl joins the resolver's thread when a transfer ends early, and a name server
            // that is silent would hold up every other transfer.
            (CURLOPT_QUICK_EXIT, 1),
            (CURLOPT_CONNECT_ONLY, job.request.connectsOnly ? 1 : 0),
        ]
        return options.allSatisfy { relay_curl_set_long(easy, $0.0, $0.1) == CURLE_OK }
    }

    private func setPolicy(_ policy: AddressPolicy) -> Bool {
        let options: [(CURLoption, Int)] = [
            (CURLOPT_FOLLOWLOCATION, 0),
            (CURLOPT_PATH_AS_IS, 1),
            (CURLOPT_SSL_VERIFYPEER, 1),
            (CURLOPT_SSL_VERIFYHOST, 2),
            (CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2)),
            (CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS)),
            // A burst would wait for the first connection to tell whether it multiplexes, over plain http
            // until its first response.
            (CURLOPT_PIPEWAIT, 0),
        ]
        return options.allSatisfy { relay_curl_set_long(easy, $0.0, $0.1) == CURLE_OK }
            && relay_curl_set_string(easy, CURLOPT_PROTOCOLS_STR, policy.allowsHTTP ? "http,https" : "https")
                == CURLE_OK
            // An empty string, or libcurl takes a proxy from the environment, and behind a proxy the address
            // check would see the proxy only.
            && relay_curl_set_string(easy, CURLOPT_PROXY, "") == CURLE_OK
    }

    private func setMethod(_ request: CurlRequest) -> Bool {
        if request.method == "HEAD", request.body == nil {
            return relay_curl_set_long(easy, CURLOPT_NOBODY, 1) == CURLE_OK
        }
        let hasLength = request.body != nil || ["POST", "PUT", "PATCH"].contains(request.method)
        guard hasLength else {
            return relay_curl_set_long(easy, CURLOPT_HTTPGET, 1) == CURLE_OK
                && relay_curl_set_string(easy, CURLOPT_CUSTOMREQUEST, request.method) == CURLE_OK
        }
        let body = request.body ?? []
        guard relay_curl_set_long(easy, CURLOPT_POST, 1) == CURLE_OK,
            relay_curl_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count)) == CURLE_OK
        else { return false }
        // libcurl copies as many bytes as the size above says, so the buffer need not outlive this call.
        let code = body.withUnsafeBytes { bytes in
            bytes.baseAddress.map { relay_curl_set_pointer(easy, CURLOPT_COPYPOSTFIELDS, $0) }
                ?? relay_curl_set_string(easy, CURLOPT_COPYPOSTFIELDS, "")
        }
        return code == CURLE_OK
            && relay_curl_set_string(easy, CURLOPT_CUSTOMREQUEST, request.method) == CURLE_OK
    }

    private func setHeaders(_ request: CurlRequest) -> Bool {
        // A name and a colon alone take out what libcurl would add by itself.
        var lines = ["Expect:"]
        if !request.headers.contains(where: { HTTPHeaderList.areSame($0.name, "content-type") }) {
            lines.append("Content-Type:")
        }
        // An empty value is written with a semicolon: https://curl.se/libcurl/c/CURLOPT_HTTPHEADER.html
        lines += request.headers.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" }
        for line in lines {
            guard let longer = curl_slist_append(headerList, line) else { return false }
            headerList = longer
        }
        return relay_curl_set_list(easy, CURLOPT_HTTPHEADER, headerList) == CURLE_OK
    }

    // MARK: - Callbacks

    /// Whether the request may go out on this connection, kept or new.
    ///
    /// libcurl sends a request again by itself when a kept connection dies before the first response byte
    /// (`Curl_retry_request`), and calls this before each time: a second time is refused where the
    /// destination might act twice.
    func maySend(to address: String) -> Bool {
        guard job.request.policy.permits(text: address) else {
            refusedAddresses += 1
            return false
        }
        sends += 1
        return sends == 1 || job.request.mayRepeat
    }

    func openSocket(_ address: UnsafePointer<curl_sockaddr>) -> curl_socket_t {
        let family = address.pointee.family
        guard let bytes = Self.addressBytes(address), job.request.policy.permits(bytes) else {
            refusedAddresses += 1
            return CURL_SOCKET_BAD
        }
        let kind = address.pointee.socktype | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, kind, address.pointee.protocol)
        if descriptor >= 0 { openedSockets += 1 }
        return descriptor
    }

    private static func addressBytes(_ address: UnsafePointer<curl_sockaddr>) -> [UInt8]? {
        guard let start = MemoryLayout<curl_sockaddr>.offset(of: \.addr) else { return nil }
        // libcurl keeps the whole `addrlen` bytes there, more than a plain `sockaddr` has.
        let raw = UnsafeRawBufferPointer(
            start: UnsafeRawPointer(address) + start, count: Int(address.pointee.addrlen))
        switch address.pointee.family {
        case AF_INET: return raw.count >= 8 ? Array(raw[4..<8]) : nil
        case AF_INET6: return raw.count >= 24 ? Array(raw[8..<24]) : nil
        default: return nil
        }
    }

    /// Takes one line of a head; false aborts.
    func takeHeader(_ line: UnsafeRawBufferPointer) -> Bool {
        headBytes += line.count
        guard headBytes <= Self.keptBytesMax else {
            isHeadTooLong = true
            return false
        }
        let text = Self.trimmed(line)
        if text.starts(with: "HTTP/".utf8) {
            // Each interim response (1xx) has a head of its own.
            headers = []
            status =
                text.split(separator: UInt8(ascii: " ")).dropFirst().first
                .flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0
        } else if text.isEmpty {
            isHeadComplete = status >= 200
        } else if let colon = text.firstIndex(of: UInt8(ascii: ":")), !isHeadComplete {
            let value = Self.trimmed(UnsafeRawBufferPointer(rebasing: text[(colon + 1)...]))
            headers.append(
                (String(decoding: text[..<colon], as: UTF8.self), String(decoding: value, as: UTF8.self)))
        }
        return true
    }

    /// Without the white space around it.
    private static func trimmed(_ line: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let isBlank: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
        let start = line.firstIndex { !isBlank($0) } ?? line.endIndex
        let end = line.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? start
        return UnsafeRawBufferPointer(rebasing: line[start..<end])
    }

    /// Takes a piece of the body; false aborts.
    func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bodyBytes += bytes.count
        body.append(contentsOf: bytes.prefix(Self.keptBytesMax - body.count))
        return bodyBytes <= Self.readBytesMax
    }

    // MARK: - Result

    /// What the transfer came to.
    ///
    /// Once a response's head is whole its status tells what the destination did,
    /// whatever becomes of the body.
    func result(_ code: CURLcode) -> Result<CurlResponse, CurlFailure> {
        if isHeadComplete || job.request.connectsOnly && code == CURLE_OK {
            var seconds: curl_off_t = 0
            relay_curl_get_offset(easy, CURLINFO_RETRY_AFTER, &seconds)
            return .success(
                CurlResponse(
                    status: status,
                    headers: headers,
                    body: body,
                    isBodyComplete: code == CURLE_OK && bodyBytes == body.count,
                    retryAfter: seconds > 0 ? .seconds(seconds) : nil
                )
            )
        }
        return .failure(failure(code))
    }

    private func failure(_ code: CURLcode) -> CurlFailure {
        let reason = "\(String(cString: curl_easy_strerror(code))) (curl \(code.rawValue))"
        if sends == 0, refusedAddresses > 0, openedSockets == 0 || code == CURLE_ABORTED_BY_CALLBACK {
            return .addressRefused
        }
        switch code {
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: return .invalidRequest(reason)
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM,
            CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR:
            return .misconfigured(reason)
        default: break
        }
        if isHeadTooLong { return .badResponse("the response's headers are over 64 KiB") }
        if sends == 0 { return .notSent(reason) }
        switch code {
        case CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL: return .badResponse(reason)
        case CURLE_OK: return .outcomeUnknown("the response was cut off within its head")
        case CURLE_ABORTED_BY_CALLBACK:
            return .outcomeUnknown("the connection was closed before a response came")
        default: return .outcomeUnknown(reason)
        }
    }
}

// MARK: - libcurl's side of the callbacks

private func transfer(_ context: UnsafeMutableRawPointer) -> CurlTransfer {
    Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
}

private let onHeader: curl_write_callback = { bytes, size, count, context in
    guard let bytes, let context else { return 0 }
    let length = size * count
    return transfer(context).takeHeader(UnsafeRawBufferPointer(start: bytes, count: length)) ? length : 0
}

private let onBody: curl_write_callback = { bytes, size, count, context in
    guard let context else { return 0 }
    let length = size * count
    return transfer(context).takeBody(UnsafeRawBufferPointer(start: bytes, count: length)) ? length : 0
}

private let onOpenSocket: curl_opensocket_callback = { context, _, address in
    guard let context, let address else { return CURL_SOCKET_BAD }
    return transfer(context).openSocket(address)
}

private let onSend: curl_prereq_callback = { context, address, _, _, _ in
    guard let context, let address else { return CURL_PREREQFUNC_ABORT }
    let isAllowed = transfer(context).maySend(to: String(cString: address))
    return isAllowed ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
}
