//! One tiny import after the other in an idle factory.

use std::time::{Duration, Instant};

use crate::http::Client;
use crate::live::Live;
use crate::{figure, percentiles, tiny};

const WARM: usize = 10;

pub(crate) fn run(count: u64) {
    let (_registry, factory, sources) = tiny::stage(count + WARM as u64);
    let (live, mut client) = (Live::of(&factory), Client::with_key(&factory));
    let mut times: Vec<Duration> = Vec::new();
    for source in &sources {
        std::thread::sleep(Duration::from_millis(30));
        let began = Instant::now();
        let image = tiny::import(&mut client, source);
        times.push(live.wait(&image) - began);
    }
    let [median, p90, p99] = percentiles(&mut times[WARM..]);
    println!("{count} tiny imports, each new, one after the other: request to `image.live` heard");
    println!("median {median:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms");
    figure("import.tiny.median", median, "ms", "60");
    figure("import.tiny.p90", p90, "ms", "");
    figure("import.tiny.p99", p99, "ms", "200");
}
