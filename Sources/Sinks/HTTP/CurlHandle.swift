import CCurl
import Foundation
import Relay

/// One of libcurl's easy handles with the options that never change, used for one request after another.
///
/// Lives and is used on the loop's thread only. libcurl's callbacks get it as an unretained pointer, which is
/// good because the loop holds it until the handle is out of the multi handle.
final class CurlHandle {
    let easy: UnsafeMutableRawPointer
    /// The request that it carries; nil between two.
    private(set) var transfer: CurlTransfer?
    private let reuse: ConnectionReuse
    private var headerList: UnsafeMutablePointer<curl_slist>?
    /// Whether plain http is an allowed protocol, as libcurl was last told.
    private var allowsHTTP: Bool?

    /// Nil where memory is out.
    init?(reuse: ConnectionReuse) {
        guard let easy = curl_easy_init() else { return nil }
        self.easy = easy
        self.reuse = reuse
        guard setConstants() else { return nil }
    }

    deinit {
        freeHeaders()
        curl_easy_cleanup(easy)
    }

    /// Sets what a request asks for; false when libcurl refuses an option.
    ///
    /// - Parameters:
    ///   - isFresh: Whether it gets a connection of its own, whatever kept ones there are.
    ///   - ageMax: Seconds since a kept connection was opened; older ones are closed.
    func begin(_ job: CurlJob, isFresh: Bool, ageMax: Int) -> Bool {
        let request = job.request
        transfer = CurlTransfer(job: job)
        return relay_curl_set_string(easy, CURLOPT_URL, request.url) == CURLE_OK
            && set(CURLOPT_FRESH_CONNECT, isFresh ? 1 : 0) && set(CURLOPT_FORBID_REUSE, isFresh ? 1 : 0)
            && set(CURLOPT_MAXLIFETIME_CONN, ageMax) && setBounds(request) && setProtocols(request.policy)
            && setMethod(request) && setHeaders(request)
    }

    /// Whether it can carry another request; the connection is the multi handle's.
    func end() -> Bool {
        let isConnection = transfer?.job.request.connectsOnly ?? true
        transfer = nil
        freeHeaders()
        return !isConnection
    }

    private func freeHeaders() {
        if let headerList { curl_slist_free_all(headerList) }
        headerList = nil
    }

    // MARK: - Options for good

    private func setConstants() -> Bool {
        let context = Unmanaged.passUnretained(self).toOpaque()
        let numbers: [(CURLoption, Int)] = [
            (CURLOPT_NOSIGNAL, 1),
            (CURLOPT_TCP_KEEPALIVE, 1),
            // Without it libcurl joins the resolver's thread when a transfer ends early, and a name server
            // that is silent would hold up every other transfer.
            (CURLOPT_QUICK_EXIT, 1),
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
        return numbers.allSatisfy { set($0.0, $0.1) }
            // An empty string, or libcurl takes a proxy from the environment, and behind a proxy the address
            // check would see the proxy only.
            && relay_curl_set_string(easy, CURLOPT_PROXY, "") == CURLE_OK
            && relay_curl_set_write_function(easy, CURLOPT_HEADERFUNCTION, onHeader) == CURLE_OK
            && relay_curl_set_write_function(easy, CURLOPT_WRITEFUNCTION, onBody) == CURLE_OK
            && relay_curl_set_opensocket_function(easy, onOpenSocket) == CURLE_OK
            && relay_curl_set_prereq_function(easy, onSend) == CURLE_OK
            && [CURLOPT_HEADERDATA, CURLOPT_WRITEDATA, CURLOPT_OPENSOCKETDATA, CURLOPT_PREREQDATA]
                .allSatisfy { relay_curl_set_pointer(easy, $0, context) == CURLE_OK }
    }

    private func set(_ option: CURLoption, _ value: Int) -> Bool {
        relay_curl_set_long(easy, option, value) == CURLE_OK
    }

    // MARK: - Options of one request

    private func setBounds(_ request: CurlRequest) -> Bool {
        let milliseconds = max(1, Int(request.timeout.nanoseconds / 1_000_000))
        return set(CURLOPT_TIMEOUT_MS, milliseconds)
            && set(CURLOPT_CONNECTTIMEOUT_MS, min(milliseconds, 5_000))
            && set(CURLOPT_MAXAGE_CONN, request.mayRepeat ? reuse.repeatable : reuse.once)
            && set(CURLOPT_CONNECT_ONLY, request.connectsOnly ? 1 : 0)
    }

    private func setProtocols(_ policy: AddressPolicy) -> Bool {
        guard allowsHTTP != policy.allowsHTTP else { return true }
        allowsHTTP = policy.allowsHTTP
        let protocols = policy.allowsHTTP ? "http,https" : "https"
        return relay_curl_set_string(easy, CURLOPT_PROTOCOLS_STR, protocols) == CURLE_OK
    }

    /// Sets all that makes a method, for the request before may have had another.
    private func setMethod(_ request: CurlRequest) -> Bool {
        let isHead = request.method == "HEAD" && request.body == nil
        let hasLength = request.body != nil || ["POST", "PUT", "PATCH"].contains(request.method)
        guard hasLength else {
            // Takes the last request's body and its length back as well.
            return set(CURLOPT_HTTPGET, 1)
                && (!isHead || set(CURLOPT_NOBODY, 1))
                && relay_curl_set_string(easy, CURLOPT_CUSTOMREQUEST, isHead ? nil : request.method)
                    == CURLE_OK
        }
        let body = request.body ?? []
        guard set(CURLOPT_POST, 1),
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
        guard add("Expect:"),
            request.headers.contains(where: { HTTPHeaderList.areSame($0.name, "content-type") })
                || add("Content-Type:")
        else { return false }
        for (name, value) in request.headers {
            // An empty value is written with a semicolon: https://curl.se/libcurl/c/CURLOPT_HTTPHEADER.html
            guard add(value.isEmpty ? "\(name);" : "\(name): \(value)") else { return false }
        }
        return relay_curl_set_list(easy, CURLOPT_HTTPHEADER, headerList) == CURLE_OK
    }

    private func add(_ line: String) -> Bool {
        guard let longer = curl_slist_append(headerList, line) else { return false }
        headerList = longer
        return true
    }
}

// MARK: - libcurl's side of the callbacks

private func transfer(_ context: UnsafeMutableRawPointer) -> CurlTransfer? {
    Unmanaged<CurlHandle>.fromOpaque(context).takeUnretainedValue().transfer
}

private let onHeader: curl_write_callback = { bytes, size, count, context in
    guard let bytes, let context else { return 0 }
    let length = size * count
    let isTaken = transfer(context)?.takeHeader(UnsafeRawBufferPointer(start: bytes, count: length))
    return isTaken == true ? length : 0
}

private let onBody: curl_write_callback = { bytes, size, count, context in
    guard let context else { return 0 }
    let length = size * count
    let isTaken = transfer(context)?.takeBody(UnsafeRawBufferPointer(start: bytes, count: length))
    return isTaken == true ? length : 0
}

private let onOpenSocket: curl_opensocket_callback = { context, _, address in
    guard let context, let address else { return CURL_SOCKET_BAD }
    return transfer(context)?.openSocket(address) ?? CURL_SOCKET_BAD
}

private let onSend: curl_prereq_callback = { context, address, _, _, _ in
    guard let context, let address else { return CURL_PREREQFUNC_ABORT }
    let isAllowed = transfer(context)?.maySend(to: String(cString: address))
    return isAllowed == true ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
}
