//! Anybody with a permission publishes `image.import.requested`, bare or as a CloudEvent; a bad one is a dead letter.

use serde_json::{Value, json};
use testkit::{Factory, Image, Registry};

fn publish(factory: &Factory, messages: &[Value]) {
    let url = factory.env("NATS_URL").to_owned();
    let (login, address) = url.trim_start_matches("nats://").split_once('@').unwrap();
    let (user, password) = login.split_once(':').unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options =
            async_nats::ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned());
        let client = options.connect(address).await.unwrap();
        for message in messages {
            client.publish("image.import.requested", message.to_string().into()).await.unwrap();
        }
        client.flush().await.unwrap();
    });
}

fn images(factory: &Factory) -> Vec<Value> {
    serde_json::from_str(&factory.run(&["images", "-o", "json"])).unwrap()
}

#[test]
fn a_source_and_no_image_is_an_import() {
    let (registry, factory) = (Registry::start(), Factory::start());
    let image = || Image::new().layer(|l| l.file("a", "a"));
    let first = registry.push(&image(), "demo/web:1");
    registry.push(&image().layer(|l| l.file("b", "b")), "demo/web:2");
    // Makes the source, too.
    factory.import(&first, &[]);
    let source = images(&factory)[0]["source"]["identifier"].as_str().unwrap().to_owned();
    let cloud_event = json!({
        "specversion": "1.0", "id": "from-a-pipeline-1", "source": "/pipeline/7",
        "type": "dev.platen.image.import.requested.v1", "hub": "main",
        "data": { "source": source, "name": "by-event", "override": { "target": "demo/web:2" } },
    });
    publish(
        &factory,
        &[
            json!({ "hub": "main", "source": source }),
            // The same event twice is one import.
            cloud_event.clone(),
            cloud_event,
            json!({ "hub": "main", "source": "no-such-source" }),
            json!({ "hub": "nobody", "source": source }),
            json!("not an object"),
        ],
    );
    let live = crate::until("both imports are live", || {
        let all = images(&factory);
        (all.iter().filter(|i| i["state"]["current"] == "live").count() == 3).then_some(all)
    });
    assert_eq!(live.len(), 3, "{live:#?}");
    assert_eq!(live.iter().filter(|i| i["name"] == "by-event").count(), 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let letters = crate::until("three dead letters", || {
        let letters = runtime.block_on(async {
            db::Db::connect(factory.env("DATABASE_URL"), 1).unwrap().dead_letters(10).await.unwrap()
        });
        (letters.len() == 3).then_some(letters)
    });
    for reason in ["no image source `no-such-source`", "no hub `nobody`", "not a JSON object"] {
        assert!(letters.iter().any(|(_, why)| why.contains(reason)), "{reason}: {letters:?}");
    }
    crate::assert_sound(&factory);
}
