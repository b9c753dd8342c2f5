//! Many tiny imports at once.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::http::Client;
use crate::live::Live;
use crate::{cpu, figure, percentiles, tiny};

/// Connections that ask.
const ASKING: usize = 8;

pub(crate) fn run(count: u64, same: bool) {
    let (_registry, factory, mut sources) = tiny::stage(if same { 1 } else { count });
    let live = Live::of(&factory);
    let mut client = Client::with_key(&factory);
    if same {
        sources = vec![sources[0].clone(); count as usize];
    }
    let warm = tiny::import(&mut client, &sources[0]);
    live.wait(&warm);
    let used = cpu::of_tree(factory.pid());
    let began = Instant::now();
    let asked: Mutex<Vec<(String, Instant)>> = Mutex::default();
    std::thread::scope(|scope| {
        for part in 0..ASKING {
            let (sources, asked, factory) = (&sources, &asked, &factory);
            scope.spawn(move || {
                let mut client = Client::with_key(factory);
                for source in sources.iter().skip(part).step_by(ASKING) {
                    let at = Instant::now();
                    let image = tiny::import(&mut client, source);
                    asked.lock().unwrap().push((image, at));
                }
            });
        }
    });
    let asking = began.elapsed();
    let asked = asked.into_inner().unwrap();
    let ends: Vec<Instant> = asked.iter().map(|(image, _)| live.wait(image)).collect();
    let all = ends.iter().max().unwrap().duration_since(began);
    let mut times: Vec<Duration> = asked.iter().zip(&ends).map(|((_, at), end)| *end - *at).collect();
    let [median, p90, p99] = percentiles(&mut times);
    let rate = count as f64 / all.as_secs_f64();
    let used = (cpu::of_tree(factory.pid()) - used).as_secs_f64() * 1000.0 / count as f64;
    let what = if same { "one source" } else { "a source and image each" };
    println!("{count} tiny imports at once, {what}: asked for in {asking:.2?}, all live after {all:.2?}");
    println!(
        "{rate:.1} a second; request to live: median {median:.0} ms, p90 {p90:.0} ms, p99 {p99:.0} ms; {used:.1} ms of a core each"
    );
    let name = if same { "imports.same" } else { "imports.different" };
    figure(&format!("{name}.rate"), rate, "1/s", "100");
    figure(&format!("{name}.median"), median, "ms", "");
    figure(&format!("{name}.p99"), p99, "ms", "");
    figure(&format!("{name}.cpu"), used, "ms", "");
}
