import JSON
import Rules

extension ConfigChecks {
    /// `renamedFrom`: one sink takes over from a name that no sink has any more.
    func checkRenames() {
        let names = Set(context.document.root["sinks"]?.members.compactMap(\.name.string) ?? [])
        var heirs: [String: String] = [:]
        for (name, sink) in draft.sinks {
            let pointer = place("sinks", .name(name), "renamedFrom")
            guard let former = sink.renamedFrom, isSound(pointer) else { continue }
            if former == name {
                error("a sink cannot take over from itself; leave \"renamedFrom\" out", at: pointer)
            } else if names.contains(former) {
                error(
                    "a sink called \"\(quotable(former))\" is still there; take it out, or leave"
                        + " \"renamedFrom\" out", at: pointer)
            } else if let heir = heirs[former] {
                error(
                    "the sink \"\(quotable(heir))\" takes over from \"\(quotable(former))\" already; only one"
                        + " can", at: pointer)
            } else {
                heirs[former] = name
            }
        }
    }
}
