public import Foundation

extension POSIXError {
    /// Why the C call just before has failed; to be taken before another is made.
    public static var ofLastCall: POSIXError { POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
}
