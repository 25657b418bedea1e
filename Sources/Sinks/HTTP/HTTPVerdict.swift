/// What a response's status means for the delivery it answers.
enum HTTPVerdict: Sendable, Equatable {
    case delivered
    /// This event will never be taken.
    case rejected
    /// This event may be taken later.
    case retry
    /// Nothing will be taken now.
    case unavailable
    /// The credentials were refused: for this event, or for all.
    case denied
    /// Too many requests: of this event's user, or of all.
    case limited

    /// The first row that holds the status decides; a status outside every row is a rejection.
    ///
    /// Why a row is where it is: RFC 9110 section 15, RFC 6585 (429), RFC 4918 (423), RFC 8470 (425); 520 to
    /// 524 are Cloudflare's about the server behind it, 529 is an overloaded server in several APIs.
    static let table: [(statuses: ClosedRange<Int>, verdict: HTTPVerdict)] = [
        (200...299, .delivered),
        // Never followed: a POST would become a GET, and credentials would go where nobody said.
        (300...399, .rejected),
        (401...401, .denied),
        (403...403, .denied),
        (408...409, .retry),
        (423...423, .retry),
        (425...425, .retry),
        (429...429, .limited),
        (477...477, .retry),
        (400...499, .rejected),
        (501...501, .rejected),
        (505...505, .rejected),
        (502...504, .unavailable),
        (520...524, .unavailable),
        (529...529, .unavailable),
        (500...599, .retry),
    ]

    /// Judged before ``table`` where the request removes or deactivates: the thing is gone already.
    static let tableOfRemovals: [(statuses: ClosedRange<Int>, verdict: HTTPVerdict)] = [
        (404...404, .delivered),
        (410...410, .delivered),
    ]

    /// Whether a request that was answered like this may have been carried out all the same: a server that
    /// failed in the midst of it, or another one that lost sight of the server behind it.
    ///
    /// 503 says that it was not, and 501 and 505 that it never will be.
    static func leavesOpen(_ status: Int) -> Bool {
        (500...599).contains(status) && ![501, 503, 505].contains(status)
    }

    init(status: Int, removes: Bool) {
        let rows = (removes ? Self.tableOfRemovals : []) + Self.table
        self = rows.first { $0.statuses.contains(status) }?.verdict ?? .rejected
    }
}
