import JSON
import Rules

/// Bodies with placeholders, as an HTTP sink renders them.
enum BenchmarkTemplates {
    static let names = ["plain", "filters"]

    static func make(_ name: String, _ count: Int = 10) throws -> Template {
        let path =
            name == "plain" ? "$.actor.alternateId" : "$.target[?@.type=='User'].alternateId | lower"
        let members = (0..<count).map { "\"m\($0)\":\"{{ \(path) }}\"" }.joined(separator: ",")
        return try Template(JSONDocument("{\(members)}").root, place: .value)
    }
}
