import JSON
import Relay
import Rules

/// The constant part of a URL template that says whom the relay talks to.
enum HTTPOrigin {
    /// `scheme://host[:port]`; an error where a placeholder could decide it, for then an event could send the
    /// sink's credentials anywhere.
    static func of(_ template: Template, policy: AddressPolicy) throws(SinkError) -> String {
        guard let text = try? JSONDocument(template.source).root.string else {
            throw .misconfigured(reason: "url: it must be a string")
        }
        let isConstant = text.firstRange(of: "{{") == nil
        let head = text.firstRange(of: "{{").map { text[..<$0.lowerBound] } ?? text[...]
        guard let slashes = head.firstRange(of: "://") else { throw notConstant }
        let end = head[slashes.upperBound...].firstIndex { "/?#".contains($0) }
        guard isConstant || end != nil else { throw notConstant }
        do {
            return try CurlURL(String(head[..<(end ?? head.endIndex)]), policy: policy).origin
        } catch {
            throw .misconfigured(reason: "url: \(error.reason)")
        }
    }

    private static var notConstant: SinkError {
        .misconfigured(
            reason: "url: scheme and host must be written out; placeholders fill path and query only")
    }
}
