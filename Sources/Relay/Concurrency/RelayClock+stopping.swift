import ServiceLifecycle

extension RelayClock {
    /// Returns after that long, or as soon as the service is to stop or the task is cancelled.
    func sleepUnlessStopping(for duration: Duration) async {
        let sleeper = Task(executorPreference: TaskThreads.shared) { [self] in
            try? await self.sleep(for: duration)
        }
        await withTaskCancellationOrGracefulShutdownHandler {
            _ = await sleeper.value
        } onCancelOrGracefulShutdown: {
            sleeper.cancel()
        }
    }
}
