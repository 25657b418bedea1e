/// A block of IPv4 or IPv6 addresses, `10.0.0.0/8` or `2001:db8::/32`.
struct CIDRBlock: Hashable, Sendable {
    let base: IPAddress
    /// Leading bits that an address must share with the base.
    let bits: Int

    /// Reads a block; its base need not be aligned, and its length has no leading zeros.
    init?(_ text: UnsafeBufferPointer<UInt8>) {
        guard let slash = text.lastIndex(of: UInt8(ascii: "/")),
            let base = IPAddress(UnsafeBufferPointer(rebasing: text[..<slash]))
        else { return nil }
        let digits = text[(slash + 1)...]
        guard (1...3).contains(digits.count), digits.allSatisfy({ $0 &- UInt8(ascii: "0") < 10 }),
            digits.count == 1 || digits.first != UInt8(ascii: "0")
        else { return nil }
        let bits = digits.reduce(0) { $0 * 10 + Int($1 & 0x0F) }
        guard bits <= base.bitCount else { return nil }
        self.base = base
        self.bits = bits
    }

    func contains(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        IPAddress(spelled: text).map(contains) ?? false
    }

    func contains(_ address: IPAddress) -> Bool {
        guard address.bitCount == base.bitCount else { return false }
        guard bits > 0 else { return true }
        let shift = UInt128(address.bitCount - bits)
        return address.value >> shift == base.value >> shift
    }
}

/// An address in binary.
///
/// An IPv4 address and its IPv6-mapped form are different addresses.
struct IPAddress: Hashable, Sendable {
    let value: UInt128
    /// 32 or 128.
    let bitCount: Int

    /// Reads an event's text, which seldom is an address.
    init?(spelled text: UnsafeBufferPointer<UInt8>) {
        // The shortest and the longest spelling: "::" and an IPv6 address with an IPv4 tail.
        guard (2...45).contains(text.count) else { return nil }
        self.init(text)
    }

    init?(_ text: UnsafeBufferPointer<UInt8>) {
        if text.contains(UInt8(ascii: ":")) {
            guard let value = Self.version6(text) else { return nil }
            self.value = value
            bitCount = 128
        } else {
            guard let value = Self.version4(text[...]) else { return nil }
            self.value = UInt128(value)
            bitCount = 32
        }
    }

    /// Four decimal numbers; a leading zero is refused, because some readers take it for octal.
    private static func version4(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> UInt32? {
        var value: UInt32 = 0
        var number: UInt32 = 0
        var digits = 0
        var dots = 0
        for byte in text {
            if byte == UInt8(ascii: ".") {
                guard digits > 0, dots < 3 else { return nil }
                value = value << 8 | number
                number = 0
                digits = 0
                dots += 1
            } else {
                guard byte &- UInt8(ascii: "0") < 10, digits == 0 || number > 0 else { return nil }
                number = number * 10 + UInt32(byte & 0x0F)
                digits += 1
                guard number <= 255 else { return nil }
            }
        }
        return dots == 3 && digits > 0 ? value << 8 | number : nil
    }

    /// Eight groups of up to four hexadecimal digits, one run of zero groups written as `::`, the last two
    /// groups possibly as an IPv4 address (RFC 4291 §2.2).
    private static func version6(_ text: UnsafeBufferPointer<UInt8>) -> UInt128? {
        var head: [UInt16] = []
        var tail: [UInt16]?
        var position = 0
        if text.starts(with: [UInt8(ascii: ":"), UInt8(ascii: ":")]) {
            tail = []
            position = 2
        }
        while position < text.count {
            let end = text[position...].firstIndex(of: UInt8(ascii: ":")) ?? text.count
            let group = text[position..<end]
            if end == text.count, group.contains(UInt8(ascii: ".")) {
                guard let four = version4(group) else { return nil }
                append(UInt16(truncatingIfNeeded: four >> 16), &head, &tail)
                append(UInt16(truncatingIfNeeded: four), &head, &tail)
                position = end
                break
            }
            guard let value = hexadecimal(group) else { return nil }
            append(value, &head, &tail)
            position = end
            guard end < text.count else { break }
            position += 1
            // A colon must be followed by a group, or be half of the one "::".
            guard position < text.count else { return nil }
            if text[position] == UInt8(ascii: ":") {
                guard tail == nil else { return nil }
                tail = []
                position += 1
            }
        }
        let groups = head.count + (tail?.count ?? 0)
        guard tail == nil ? groups == 8 : groups < 8 else { return nil }
        let all = head + Array(repeating: 0, count: 8 - groups) + (tail ?? [])
        return all.reduce(0) { $0 << 16 | UInt128($1) }
    }

    private static func append(_ group: UInt16, _ head: inout [UInt16], _ tail: inout [UInt16]?) {
        if tail == nil { head.append(group) } else { tail?.append(group) }
    }

    private static func hexadecimal(_ digits: Slice<UnsafeBufferPointer<UInt8>>) -> UInt16? {
        guard (1...4).contains(digits.count) else { return nil }
        var value: UInt16 = 0
        for digit in digits {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt16(digit & 0x0F)
            case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"):
                value = value << 4 | UInt16((digit | 0x20) - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return value
    }
}
