//! When images went live, as a subscriber of `image.live` hears it.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use testkit::Factory;

type Heard = Arc<(Mutex<HashMap<String, Instant>>, Condvar)>;

/// An ear.
pub(crate) struct Live {
    heard: Heard,
    _runtime: tokio::runtime::Runtime,
}

impl Live {
    pub(crate) fn of(factory: &Factory) -> Self {
        let heard: Heard = Arc::default();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (url, into) = (factory.env("NATS_URL").to_owned(), Arc::clone(&heard));
        let (login, host) = url.trim_start_matches("nats://").split_once('@').unwrap();
        let (user, password) = login.split_once(':').unwrap();
        let options = async_nats::ConnectOptions::with_user_and_password(user.into(), password.into());
        let mut events = runtime.block_on(async {
            let client = options.connect(host).await.unwrap();
            let events = client.subscribe("image.live").await.unwrap();
            client.flush().await.unwrap();
            events
        });
        runtime.spawn(async move {
            while let Some(message) = events.next().await {
                let now = Instant::now();
                let event: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
                let image = event["subject"].as_str().unwrap().to_owned();
                into.0.lock().unwrap().entry(image).or_insert(now);
                into.1.notify_all();
            }
        });
        Self { heard, _runtime: runtime }
    }

    /// Waits for an image; when it was.
    pub(crate) fn wait(&self, image: &str) -> Instant {
        let mut heard = self.heard.0.lock().unwrap();
        let began = Instant::now();
        loop {
            if let Some(at) = heard.get(image) {
                return *at;
            }
            assert!(began.elapsed() < Duration::from_secs(120), "{image} does not go live");
            heard = self.heard.1.wait_timeout(heard, Duration::from_secs(1)).unwrap().0;
        }
    }
}
