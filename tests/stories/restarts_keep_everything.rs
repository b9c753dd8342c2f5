//! Stopped or killed, the factory comes back with its key, its addresses and its images, and nothing else runs on.

use testkit::{Factory, Image, Registry};

fn leftovers(factory: &Factory) -> Vec<String> {
    let mark = factory.dir().to_string_lossy().into_owned();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|p| std::fs::read(p.path().join("cmdline")).ok())
        .map(|command| String::from_utf8_lossy(&command).replace('\0', " "))
        .filter(|command| command.contains(&mark))
        .collect()
}

#[test]
fn a_stop_and_a_crash_lose_nothing() {
    let (registry, mut factory) = (Registry::start(), Factory::start());
    let reference = registry.push(&Image::busybox(), "demo/busybox:1");
    let image = factory.import(&reference, &[]);
    let before: Vec<String> = ["PLATEN_API_KEY", "PLATEN_HUB", "NATS_URL", "DATABASE_URL"]
        .iter()
        .map(|k| factory.env(k).to_owned())
        .collect();
    for crash in [false, true] {
        if crash {
            factory.kill()
        } else {
            factory.down()
        }
        crate::until("its servers are gone too", || leftovers(&factory).is_empty().then_some(()));
        factory.up();
        let after: Vec<String> = ["PLATEN_API_KEY", "PLATEN_HUB", "NATS_URL", "DATABASE_URL"]
            .iter()
            .map(|k| factory.env(k).to_owned())
            .collect();
        assert_eq!(after, before);
        let dir = tempfile::tempdir().unwrap();
        let id = image["id"].as_str().unwrap();
        let pull =
            format!("{}/main/{}:{id}", factory.host(), image["source"]["identifier"].as_str().unwrap());
        factory.skopeo_pull(&pull, &dir.path().join("again"));
        factory.import(&reference, &[]);
    }
    let second =
        factory.output(&["up", "--listen", "127.0.0.1:0", "--data-dir", factory.dir().to_str().unwrap()]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && said.contains("another factory is running"), "{said}");
    crate::assert_sound(&factory);
}
