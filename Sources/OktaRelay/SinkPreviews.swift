import Config
import Logging
import Relay
import Rules
import Sinks

/// The sinks of a config file, asked what they would do with an event; none of them is connected.
struct SinkPreviews {
    /// A preview, or why there is no such sink to ask.
    typealias Answer = Result<DeliveryPreview, SinkError>

    private var sinks: [String: Result<any Sink, SinkError>] = [:]
    private var factory: SinkFactory?
    /// What is put over everything that is shown.
    private(set) var mask = SecretMask()

    /// No sinks: every answer is nil.
    init() {}

    init(_ configuration: RelayConfiguration) {
        let factory = SinkFactory(clock: SystemClock(), logger: Logger(label: "okta-relay"))
        for sink in configuration.sinks {
            sinks[sink.name] = Result { () throws(SinkError) in try factory.make(sink) }
        }
        self.factory = factory
        mask = SecretMask(configuration.replacedTexts)
    }

    /// What a sink would do with an event's first attempt; nil where it is not there or cannot tell.
    ///
    /// - Parameter state: What the sink was told of the user; becomes what it would have been told then.
    func answer(
        _ event: Event, _ choice: Route.Choice, replay: String? = nil, state: inout FoldState?
    ) -> Answer? {
        switch sinks[choice.sink] {
        case .success(let sink):
            guard let sink = sink as? any DeliveryPreviewing else { return nil }
            let delivery = Delivery(
                offset: .zero, event: event, rule: choice.rule, attempt: 1, replay: replay, state: state)
            state = sink.state(after: delivery) ?? state
            return .success(sink.preview(delivery).masked(by: mask))
        case .failure(let error): return .failure(.misconfigured(reason: mask.masked(error.reason)))
        case nil: return nil
        }
    }

    /// The same for the first event that the sink gets of its user.
    func answer(_ event: Event, _ choice: Route.Choice) -> Answer? {
        var state: FoldState?
        return answer(event, choice, state: &state)
    }

    /// Lets go of the threads that sinks have.
    func shutdown() async {
        for case .success(let sink) in sinks.values { await sink.shutdown() }
        await factory?.shutdown()
    }
}
