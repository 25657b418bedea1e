import Config
import Foundation
import Testing

@Suite struct SecretFilesTests {
    private let directory: URL

    init() throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    private func permissions(_ path: String) throws -> Int {
        try #require(
            try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber
        ).intValue
    }

    @Test func createsTheMissingOnesOnly() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let data = directory.appendingPathComponent("data")
        let text = Array(Fixture.minimal().utf8)
        var calls: UInt8 = 0
        let random: (Int) -> [UInt8] = { count in
            calls += 1
            return [UInt8](repeating: 0xFA + calls, count: count)
        }
        let created = try SecretFiles.initialise(for: text, directory: directory.path, random: random)
        let token = data.appendingPathComponent("admin.token").path
        let secret = data.appendingPathComponent("hook.secret").path
        #expect(created == [token, secret])
        #expect(try permissions(token) == 0o600)
        #expect(try permissions(data.path) == 0o700)
        let first = try String(contentsOfFile: token, encoding: .utf8)
        #expect(
            first == String(repeating: "-_v7", count: 10) + "-_s\n", "32 bytes, base64url without padding")

        #expect(SecretFiles.missing(in: text, directory: directory.path).isEmpty)
        #expect(try SecretFiles.initialise(for: text, directory: directory.path, random: random).isEmpty)
        #expect(try String(contentsOfFile: token, encoding: .utf8) == first)
        let path = directory.appendingPathComponent("sinks.json").path
        try Data(text).write(to: URL(fileURLWithPath: path))
        #expect(ConfigLoader().load(path: path).issues.isEmpty)
    }

    @Test func makesUpNoSecretsOfOthers() {
        let text = Fixture.http(#""auth": { "bearer": "${file:crm.token}" }"#)
        let missing = SecretFiles.missing(
            in: Array(text.utf8), directory: Fixture.directory, surroundings: Fixture.surroundings())
        #expect(missing.isEmpty)
    }

    @Test func saysWhatItCannotCreate() throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        try Data("a file".utf8).write(to: directory.appendingPathComponent("data"))
        #expect(throws: SecretFiles.CreationError.self) {
            try SecretFiles.initialise(for: Array(Fixture.minimal().utf8), directory: directory.path) {
                [UInt8](repeating: 1, count: $0)
            }
        }
    }
}
