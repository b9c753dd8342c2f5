//! A process: configuration, telemetry, health, signals, the stage loop, the lease keeper.
