import RelayTesting
import Testing

@testable import Sinks

@Suite("Which addresses may be called")
struct AddressPolicyTests {
    @Test(arguments: [
        ("8.8.8.8", AddressKind.global), ("172.15.255.255", .global), ("172.32.0.0", .global),
        ("100.63.0.1", .global), ("100.128.0.1", .global), ("2606:4700::1111", .global),
        ("::ffff:8.8.8.8", .global), ("64:ff9b::8.8.8.8", .global),
        ("10.0.0.1", .private), ("100.64.0.1", .private), ("169.254.169.254", .private),
        ("172.16.0.1", .private), ("172.31.255.255", .private), ("192.168.1.1", .private),
        ("192.0.0.8", .private), ("198.19.0.1", .private), ("fc00::1", .private), ("fd12::1", .private),
        ("fe80::1", .private), ("febf::1", .private), ("fec0::1", .private), ("::ffff:10.0.0.1", .private),
        ("64:ff9b::a9fe:a9fe", .private), ("2002:0a00:0001::1", .private), ("::10.0.0.1", .private),
        ("127.0.0.1", .loopback), ("127.255.255.254", .loopback), ("::1", .loopback),
        ("::ffff:127.0.0.1", .loopback), ("64:ff9b::7f00:1", .loopback), ("2002:7f00:0001::", .loopback),
        ("0.0.0.0", .unusable), ("0.1.2.3", .unusable), ("::", .unusable), ("224.0.0.1", .unusable),
        ("255.255.255.255", .unusable), ("240.0.0.1", .unusable), ("ff02::1", .unusable),
        ("::ffff:0.0.0.0", .unusable), ("2001::1", .unusable),
    ])
    func knowsTheSpecialBlocks(text: String, kind: AddressKind) {
        #expect(AddressKind.parse(text).flatMap(AddressKind.init) == kind)
    }

    @Test func loopbackNeedsBothPermissions() {
        let policies = [(false, false), (true, false), (false, true), (true, true)].map {
            AddressPolicy(allowsPrivate: $0.0, allowsHTTP: $0.1)
        }
        #expect(policies.map { $0.permits(text: "127.0.0.1") } == [false, false, false, true])
        #expect(policies.map { $0.permits(text: "10.1.2.3") } == [false, true, false, true])
        #expect(policies.map { $0.permits(text: "8.8.8.8") } == [true, true, true, true])
        #expect(policies.map { $0.permits(text: "0.0.0.0") } == [false, false, false, false])
        #expect(policies.map { $0.permits(text: "no address") } == [false, false, false, false])
    }

    @Test(arguments: [
        "127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]",
        "10.255.255.1", "169.254.169.254", "[64:ff9b::7f00:1]", "[fe80::1]", "0.0.0.0",
    ])
    func noPacketLeavesForARefusedHost(host: String) async throws {
        try await withReceiver { receiver, client in
            let request = CurlRequest(
                method: "POST", url: "http://\(host):\(receiver.port)/",
                policy: AddressPolicy(allowsPrivate: false, allowsHTTP: true), timeout: .seconds(5))
            let error = await failure { try await client.send(request) }
            #expect(error as? CurlFailure == .addressRefused)
            #expect(receiver.connections == 0)
        }
    }

    /// The guard sits where sockets are opened, so a connection that another policy opened has to be judged
    /// anew.
    @Test func aKeptConnectionIsJudgedByTheRequestsOwnPolicy() async throws {
        try await withReceiver { receiver, client in
            _ = try await client.send(
                CurlRequest(method: "PUT", url: receiver.url, policy: HTTPFixtures.open))
            let policy = AddressPolicy(allowsPrivate: false, allowsHTTP: true)
            let error = await failure {
                try await client.send(CurlRequest(method: "PUT", url: receiver.url, policy: policy))
            }
            #expect(error as? CurlFailure == .addressRefused)
            #expect(receiver.requests.count == 1)
        }
    }

    @Test func plainHTTPNeedsItsPermission() async throws {
        try await withReceiver { receiver, client in
            let policy = AddressPolicy(allowsPrivate: true, allowsHTTP: false)
            let error = await failure {
                try await client.send(CurlRequest(method: "PUT", url: receiver.url, policy: policy))
            }
            guard case .invalidRequest(let reason) = error as? CurlFailure else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(reason.contains("allowHttp"))
        }
    }
}
