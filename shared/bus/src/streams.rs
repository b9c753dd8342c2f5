//! The streams. All are bounded and drop their oldest: the truth is elsewhere.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MIB: i64 = 1024 * 1024;

pub(crate) fn all() -> [Config; 3] {
    [
        stream(super::IMAGES, "image.>", 7 * DAY, 256 * MIB),
        stream(super::LOGS, "log.>", 2 * DAY, 1024 * MIB),
        stream(super::DLQ, "dlq.>", 30 * DAY, 64 * MIB),
    ]
}

fn stream(name: &str, subject: &str, max_age: Duration, max_bytes: i64) -> Config {
    Config {
        name: name.to_owned(),
        subjects: vec![subject.to_owned()],
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        storage: StorageType::File,
        max_age,
        max_bytes,
        duplicate_window: Duration::from_secs(120),
        ..Config::default()
    }
}
