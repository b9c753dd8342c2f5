use std::io::Read;

use futures::StreamExt;

use super::*;

const LONG: usize = 1_000_000;

#[tokio::test]
async fn a_cut_blob_is_resumed_where_it_ended() {
    let all = content(LONG);
    let stand = Stand::start(move |seen, _| {
        let all = content(LONG);
        match seen.header("range").and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')) {
            None => cut(LONG, &all[..LONG / 2]),
            Some(from) => {
                let from: usize = from.parse().unwrap();
                let range = format!("bytes {from}-{}/{LONG}", LONG - 1);
                Response::builder()
                    .status(206)
                    .header("content-range", range)
                    .body(all[from..].to_vec().into())
                    .unwrap()
            }
        }
    })
    .await;
    assert!(pull(&stand.repository(None), &layer(&all)).await.unwrap() == all);
    let seen = stand.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen[1].header("range").is_some());
}

#[tokio::test]
async fn a_registry_that_ignores_ranges_sends_it_again() {
    let stand = Stand::start(|_, before| match before {
        0 => cut(LONG, &content(LONG)[..LONG / 3]),
        1 => cut(LONG, &content(LONG)[..LONG / 2]),
        _ => ok(content(LONG)),
    })
    .await;
    assert!(pull(&stand.repository(None), &layer(&content(LONG))).await.unwrap() == content(LONG));
    assert_eq!(stand.seen().len(), 3);
}

#[tokio::test]
async fn wrong_ranges_are_not_believed() {
    for (code, range) in [(206, "bytes 0-9/10"), (206, "bytes 5-/*"), (206, ""), (416, "bytes */10")] {
        let stand = Stand::start(move |seen, before| match (before, seen.header("range")) {
            (0, _) => cut(LONG, &content(LONG)[..LONG / 2]),
            (_, Some(_)) => with_header(code, "content-range", range),
            (_, None) => ok(content(LONG)),
        })
        .await;
        assert!(
            pull(&stand.repository(None), &layer(&content(LONG))).await.unwrap() == content(LONG),
            "{range}"
        );
        assert_eq!(stand.seen().len(), 3);
    }
}

#[tokio::test]
async fn a_blob_that_never_gets_further_is_given_up() {
    let stand = Stand::start(|seen, _| match seen.header("range") {
        None => cut(LONG, &content(LONG)[..1000]),
        Some(_) => cut(LONG, b""),
    })
    .await;
    let error = pull(&stand.repository(None), &layer(&content(LONG))).await.unwrap_err();
    assert_eq!((error.code(), error.is_permanent()), ("registry.unreachable", false));
    assert!(stand.seen().len() <= 5, "{}", stand.seen().len());
}

#[tokio::test]
async fn resumes_are_bounded_even_with_progress() {
    // Sends what is asked for one byte at a time, a connection each.
    let stand = Stand::start(|seen, _| {
        let from = seen.header("range").map_or(0, |r| r[6..].trim_end_matches('-').parse::<usize>().unwrap());
        let response = cut(LONG - from, &content(LONG)[from..=from]);
        let (mut parts, body) = response.into_parts();
        if from > 0 {
            parts.status = StatusCode::PARTIAL_CONTENT;
            let range = format!("bytes {from}-{}/{LONG}", LONG - 1);
            parts.headers.insert("content-range", range.parse().unwrap());
        }
        Response::from_parts(parts, body)
    })
    .await;
    let patience = Patience { resumes: 10, ..quick() };
    let client = Client::with_patience(loopback(), patience).unwrap();
    let error = pull(&client.repository(&stand.target(), None), &layer(&content(LONG))).await.unwrap_err();
    assert_eq!(error.code(), "registry.unreachable");
    assert_eq!(stand.seen().len(), 11);
}

#[tokio::test]
async fn wrong_bytes_and_sizes_are_refused() {
    let good = content(1000);
    for (sent, promised, descriptor, code) in [
        (content(1001)[1..].to_vec(), true, layer(&good), "digest.mismatch"),
        (content(1001), true, layer(&good), "descriptor.size"),
        (content(999), true, layer(&good), "descriptor.size"),
        (content(LONG), false, layer(&good), "descriptor.size"),
        (content(1000), true, sized(&good, 2000), "descriptor.size"),
        (content(1000), true, sized(&good, 10), "descriptor.size"),
    ] {
        let stand = Stand::start(move |_, _| {
            let sent = sent.clone();
            if promised {
                return ok(sent);
            }
            let pieces: Vec<_> = sent.chunks(100).map(|c| Ok::<_, std::io::Error>(c.to_vec())).collect();
            ok(Body::from_stream(futures::stream::iter(pieces)))
        })
        .await;
        let error = pull(&stand.repository(None), &descriptor).await.unwrap_err();
        assert_eq!((error.code(), error.is_permanent()), (code, true));
        assert_eq!(stand.seen().len(), 1, "asking again is of no use");
    }
}

#[tokio::test]
async fn a_body_without_a_length_is_read_to_its_end() {
    let stand = Stand::start(|_, _| {
        let pieces: Vec<_> = content(1000).chunks(100).map(|c| Ok::<_, std::io::Error>(c.to_vec())).collect();
        ok(Body::from_stream(futures::stream::iter(pieces)))
    })
    .await;
    assert_eq!(pull(&stand.repository(None), &layer(&content(1000))).await.unwrap(), content(1000));
    let nothing = Stand::start(|_, _| ok("")).await;
    assert_eq!(pull(&nothing.repository(None), &layer(b"")).await.unwrap(), b"");
}

/// A body that sends one byte every few milliseconds and never ends.
fn drip() -> Body {
    Body::from_stream(futures::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Some((Ok::<_, std::io::Error>("x"), ()))
    }))
}

#[tokio::test]
async fn a_drip_is_too_slow() {
    let stand = Stand::start(|_, _| ok(drip())).await;
    let patience = Patience { slow_window: Duration::from_millis(100), ..quick() };
    let client = Client::with_patience(loopback(), patience).unwrap();
    let error = pull(&client.repository(&stand.target(), None), &sized(b"", 1 << 20)).await.unwrap_err();
    assert_eq!((error.code(), error.is_permanent()), ("registry.too_slow", true));
    assert_eq!(stand.seen().len(), 1);
}

#[tokio::test]
async fn cutting_every_connection_in_time_does_not_help_against_slowness() {
    // A byte after every 30 ms and a new connection, with a window of 100 ms.
    let stand = Stand::start(|seen, _| {
        let from = seen.header("range").map_or(0, |r| r[6..].trim_end_matches('-').parse::<usize>().unwrap());
        let late = futures::stream::unfold(0, |step| async move {
            tokio::time::sleep(Duration::from_millis(30)).await;
            let piece = if step == 0 { Ok("x") } else { Err(std::io::Error::other("cut")) };
            (step < 2).then_some((piece, step + 1))
        });
        let range = format!("bytes {from}-{}/{LONG}", LONG - 1);
        let answer = Response::builder().header("content-length", LONG - from).header("content-range", range);
        answer.status(if from > 0 { 206 } else { 200 }).body(Body::from_stream(late)).unwrap()
    })
    .await;
    let patience = Patience { slow_window: Duration::from_millis(100), ..quick() };
    let client = Client::with_patience(loopback(), patience).unwrap();
    let error = pull(&client.repository(&stand.target(), None), &sized(b"", LONG as u64)).await.unwrap_err();
    assert_eq!(error.code(), "registry.too_slow");
    assert!((2..10).contains(&stand.seen().len()), "{}", stand.seen().len());
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let stand = Stand::start(|_, _| {
        let start = futures::stream::iter([Ok::<_, std::io::Error>("x")]);
        ok(Body::from_stream(start.chain(futures::stream::pending())))
    })
    .await;
    let patience = Patience { silence: Duration::from_millis(50), attempts: 2, ..quick() };
    let client = Client::with_patience(loopback(), patience).unwrap();
    let error = pull(&client.repository(&stand.target(), None), &sized(b"", 1 << 20)).await.unwrap_err();
    assert_eq!(error.code(), "registry.timeout");
}

#[tokio::test]
async fn head_tells_whether_a_blob_may_be_fetched() {
    let there = Digest::of(b"there");
    let path = format!("/v2/team/app/blobs/{there}");
    let stand = Stand::start(move |seen, _| match seen.path.as_str() {
        it if it == path => status(200),
        it if it.ends_with(Digest::of(b"private").hex()) => status(403),
        _ => status(404),
    })
    .await;
    let repository = stand.repository(None);
    assert!(repository.has_blob(&there).await.unwrap());
    assert!(!repository.has_blob(&Digest::of(b"absent")).await.unwrap());
    assert_eq!(repository.has_blob(&Digest::of(b"private")).await.unwrap_err().code(), "registry.denied");
}

#[tokio::test]
async fn a_foreign_layer_is_taken_from_the_registry_or_not_at_all() {
    let stand = Stand::start(|seen, _| match seen.path.ends_with(Digest::of(b"kept").hex()) {
        true => ok("kept"),
        false => status(404),
    })
    .await;
    let foreign = |content| Descriptor { has_urls: true, ..layer(content) };
    let repository = stand.repository(None);
    assert_eq!(pull(&repository, &foreign(b"kept")).await.unwrap(), b"kept");
    assert_eq!(pull(&repository, &foreign(b"gone")).await.unwrap_err().code(), "layer.foreign");
    assert_eq!(pull(&repository, &layer(b"gone")).await.unwrap_err().code(), "registry.not_found");
}

#[tokio::test]
async fn a_thread_reads_a_blob_and_learns_why_it_ends() {
    let stand = Stand::start(|seen, _| match seen.path.ends_with(Digest::of(&content(LONG)).hex()) {
        true => ok(content(LONG)),
        false => ok(content(1000)),
    })
    .await;
    let repository = stand.repository(None);
    let runtime = tokio::runtime::Handle::current();
    let read = async |descriptor: Descriptor| {
        let mut reader = blocking_reader(repository.blob(&descriptor).await.unwrap(), &runtime);
        tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all)
        })
        .await
        .unwrap()
    };
    assert!(read(layer(&content(LONG))).await.unwrap() == content(LONG));
    let error = read(sized(b"else", 1000)).await.unwrap_err();
    assert_eq!(RegistryError::within(&error).unwrap().code(), "digest.mismatch");
    let wrapped = std::io::Error::other(error);
    assert_eq!(RegistryError::within(&wrapped).unwrap().code(), "digest.mismatch");
}

#[tokio::test]
async fn a_dropped_reader_ends_the_pull() {
    let stand = Stand::start(|_, _| ok(drip())).await;
    let blob = stand.repository(None).blob(&sized(b"", 1 << 20)).await.unwrap();
    let reader = blocking_reader(blob, &tokio::runtime::Handle::current());
    let pump = reader.pump.clone();
    drop(reader);
    while !pump.is_finished() {
        tokio::task::yield_now().await;
    }
}
