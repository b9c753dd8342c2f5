//! Every service its own process, two factories, one of them killed in the middle: the image goes live, once.

use serde_json::Value;
use testkit::{Factory, Image, Registry, proxy};

#[test]
fn the_import_goes_on_elsewhere() {
    let registry = Registry::start();
    // One process has the servers and the API; everything else is beside it.
    let factory = Factory::only("api");
    let _others: Vec<_> = [
        ("resolver", &[][..]),
        ("distributor", &["--listen", "127.0.0.1:0"]),
        ("pruner", &[]),
        ("logbook", &[]),
    ]
    .into_iter()
    .map(|(name, args)| factory.service(name, args))
    .collect();
    // About three seconds of download, so that there is a middle.
    let mut noise = 7u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.to_be_bytes()[0]
    })
    .take(6 << 20)
    .collect();
    let image = Image::new().layer(|l| l.file("big", &noise)).layer(|l| l.file("small", "s"));
    registry.push(&image, "demo/big:1");
    let slow = format!("127.0.0.1:{}/demo/big:1", proxy::slow(registry.port(), 2 << 20));
    let mut first = factory.service("factory", &[]);
    let id = factory.run(&["import", &slow, "--no-wait", "-o", "name"]).trim().to_owned();
    crate::until("the first factory is downloading", || {
        (factory.image(&id)["state"]["current"] == "downloading").then_some(())
    });
    let _second = factory.service("factory", &[]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    first.kill();
    let live = crate::until("the image is live", || {
        let image = factory.image(&id);
        (image["state"]["current"] == "live").then_some(image)
    });
    assert_eq!(live["attempts"], 2, "{live:#}");
    assert_eq!(live["flat"]["certificate"], live["flat"]["verified"]);
    let events: Vec<Value> =
        factory.run(&["events", "-o", "json"]).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let of =
        |kind: &str| events.iter().filter(|e| e["event"]["type"] == format!("dev.platen.{kind}.v1")).count();
    assert_eq!((of("image.flattened"), of("image.live"), of("image.import.failed")), (1, 1, 0));
    let log = crate::until("the log is closed", || {
        let log: Value = serde_json::from_str(&factory.run(&["logs", &id, "-o", "json"])).unwrap();
        (log["closed"] == true).then_some(log)
    });
    assert!(log["log"].as_str().unwrap().contains("Taken over"), "{log}");
    crate::assert_sound(&factory);
}
