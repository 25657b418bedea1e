import CCurl
import Foundation

/// One request while libcurl has it: what may happen to it, and what the callbacks saw.
///
/// Lives and is used on the loop's thread only.
final class CurlTransfer {
    /// Bytes of headers, and of the body, that are kept.
    static let keptBytesMax = 64 * 1024
    /// Bytes of a body that are read in order to keep the connection; behind them the transfer is cut.
    static let readBytesMax = 1024 * 1024

    let job: CurlJob

    // What the callbacks saw.
    private var sends = 0
    private var openedSockets = 0
    /// Why the last socket could not be opened, where that was for want of descriptors.
    private var shortage: String?
    private var refusedAddresses = 0
    private var status = 0
    private var isHeadComplete = false
    private var isHeadTooLong = false
    private var headBytes = 0
    private var headers: [(name: String, value: String)] = []
    private var body: [UInt8] = []
    private var bodyBytes = 0

    init(job: CurlJob) { self.job = job }

    // MARK: - What happens

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
        if descriptor >= 0 {
            openedSockets += 1
        } else {
            shortage = Self.shortage(errno)
        }
        return descriptor
    }

    private static func shortage(_ code: Int32) -> String? {
        [EMFILE, ENFILE].contains(code) ? String(cString: strerror(code)) : nil
    }

    /// Why no descriptor could be opened now; nil where one can.
    private static var lackOfDescriptors: String? {
        let descriptor = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else { return shortage(errno) }
        close(descriptor)
        return nil
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

    /// Whether any of the request may have left, now or when it was sent before.
    var isSent: Bool { sends > 0 || job.isSentAgain }

    /// Whether it was sent, and no byte of a response's head came back whole.
    var isWithoutAnswer: Bool { isSent && !isHeadComplete }

    /// Whether what came over a kept connection was no answer to anything: the body of a 204 before it, say.
    ///
    /// libcurl looks for no such bytes before it takes a connection again, and closes it when it meets them.
    func metStrayBytes(_ code: CURLcode) -> Bool {
        code == CURLE_UNSUPPORTED_PROTOCOL && sends > 0 && openedSockets == 0 && !isHeadComplete
    }

    // MARK: - Result

    /// What the transfer came to.
    ///
    /// Once a response's head is whole its status tells what the destination did, whatever becomes of the
    /// body.
    func result(_ code: CURLcode, _ easy: UnsafeMutableRawPointer) -> Result<CurlResponse, CurlFailure> {
        if isHeadComplete || job.request.connectsOnly && code == CURLE_OK {
            var seconds: curl_off_t = 0
            relay_curl_get_offset(easy, CURLINFO_RETRY_AFTER, &seconds)
            return .success(
                CurlResponse(
                    status: status,
                    headers: headers,
                    body: body,
                    isBodyComplete: code == CURLE_OK && bodyBytes == body.count,
                    isCutOff: code != CURLE_OK && bodyBytes <= Self.readBytesMax,
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
        // A name is looked up over a socket of its own, which the callbacks do not see.
        let isNameUnknown = code == CURLE_COULDNT_RESOLVE_HOST
        if let shortage = shortage ?? (isNameUnknown ? Self.lackOfDescriptors : nil), openedSockets == 0,
            !isSent
        {
            return .notSent(
                "no connection can be opened: \(shortage); raise the relay's limit of open files "
                    + "(LimitNOFILE= in systemd, ulimit -n)")
        }
        return isSent ? failureOfSent(code, reason) : failureOfUnsent(code, reason)
    }

    private func failureOfUnsent(_ code: CURLcode, _ reason: String) -> CurlFailure {
        switch code {
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: .invalidRequest(reason)
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM,
            CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR:
            .misconfigured(reason)
        default: .notSent(reason)
        }
    }

    private func failureOfSent(_ code: CURLcode, _ reason: String) -> CurlFailure {
        if isHeadTooLong { return .badResponse("the response's headers are over 64 KiB") }
        if metStrayBytes(code) {
            return .outcomeUnknown(
                "a kept connection held bytes that are no answer, left behind an earlier one perhaps; from"
                    + " now on each request to this server gets a new connection (curl \(code.rawValue))")
        }
        switch code {
        case CURLE_WEIRD_SERVER_REPLY: return .badResponse(reason)
        case CURLE_UNSUPPORTED_PROTOCOL:
            // libcurl's words are about HTTP/0.9: https://curl.se/libcurl/c/CURLOPT_HTTP09_ALLOWED.html
            return .outcomeUnknown(
                "what answers is no HTTP server; check scheme, host and port (curl \(code.rawValue))")
        case CURLE_OK: return .outcomeUnknown("the response was cut off within its head")
        case CURLE_ABORTED_BY_CALLBACK:
            return .outcomeUnknown("the connection was closed before a response came")
        default: return .outcomeUnknown(reason)
        }
    }
}
