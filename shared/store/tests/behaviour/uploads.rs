//! Uploads, resumed and not.

use bytes::Bytes;
use futures::stream;
use std::{convert::Infallible, io};
use store::{Error, Store, UploadId};
use tokio::sync::mpsc;

async fn append(
    store: &Store,
    id: UploadId,
    offset: u64,
    limit: u64,
    pieces: &[&'static str],
) -> Result<u64, Error> {
    let pieces: Vec<Result<Bytes, Infallible>> = pieces.iter().map(|piece| Ok(Bytes::from(*piece))).collect();
    store.append_upload(id, offset, limit, stream::iter(pieces)).await
}

pub async fn an_upload_grows_resumes_and_ends(store: &Store) {
    let id = UploadId::new();
    assert_eq!(append(store, id, 0, 99, &["x"]).await.unwrap_err().code(), "upload.unknown");
    store.begin_upload(id).await.unwrap();
    assert_eq!(store.begin_upload(id).await.unwrap_err().code(), "store.io");
    assert_eq!(append(store, id, 0, 99, &["one ", "two "]).await.unwrap(), 8);
    for wrong in [0, 7, 9] {
        match append(store, id, wrong, 99, &["again"]).await.unwrap_err() {
            Error::UploadOffset { expected, given } => assert_eq!((expected, given), (8, wrong)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        store.upload_path(id).await.unwrap_err().code(),
        "upload.unknown",
        "not before it is finished"
    );
    assert_eq!(append(store, id, 8, 99, &["three"]).await.unwrap(), 13);
    assert_eq!(store.finish_upload(id).await.unwrap(), 13);
    assert_eq!(std::fs::read(store.upload_path(id).await.unwrap()).unwrap(), b"one two three");
    assert_eq!(append(store, id, 13, 99, &["more"]).await.unwrap_err().code(), "upload.unknown");
    assert_eq!(store.finish_upload(id).await.unwrap_err().code(), "upload.unknown");
    assert_eq!(store.begin_upload(id).await.unwrap_err().code(), "store.io");
}

pub async fn an_upload_keeps_what_arrived(store: &Store) {
    let id = UploadId::new();
    store.begin_upload(id).await.unwrap();
    let broken = stream::iter([Ok(Bytes::from("arrived")), Err(io::Error::other("connection reset"))]);
    assert_eq!(store.append_upload(id, 0, 99, broken).await.unwrap_err().code(), "store.content");
    assert_eq!(store.upload_offset(id).await.unwrap(), 7);
    let error = append(store, id, 7, 10, &["abc", "d"]).await.unwrap_err();
    assert_eq!((error.code(), error.is_permanent()), ("upload.too_large", true));
    assert_eq!(store.upload_offset(id).await.unwrap(), 10, "up to the limit and not a byte more");
}

pub async fn one_request_appends_at_a_time(store: &Store) {
    let id = UploadId::new();
    store.begin_upload(id).await.unwrap();
    let (send, mut receive) = mpsc::channel::<Result<Bytes, Infallible>>(1);
    let (reached, mut asked) = mpsc::channel(1);
    let first = tokio::spawn({
        let store = store.clone();
        async move {
            let body = stream::poll_fn(move |cx| {
                let _ = reached.try_send(());
                receive.poll_recv(cx)
            });
            store.append_upload(id, 0, 99, body).await
        }
    });
    asked.recv().await.expect("the first request asks for its body, so it holds the upload");
    let busy = append(store, id, 0, 99, &["me too"]).await.unwrap_err();
    assert_eq!((busy.code(), busy.is_permanent()), ("upload.busy", false));
    assert_eq!(store.finish_upload(id).await.unwrap_err().code(), "upload.busy");
    send.send(Ok(Bytes::from("first"))).await.unwrap();
    drop(send);
    assert_eq!(first.await.unwrap().unwrap(), 5);
    assert_eq!(store.finish_upload(id).await.unwrap(), 5);
}

pub async fn uploads_are_listed_and_deleted(store: &Store) {
    let (open, ended) = (UploadId::new(), UploadId::new());
    for id in [open, ended] {
        store.begin_upload(id).await.unwrap();
        append(store, id, 0, 99, &["four"]).await.unwrap();
    }
    store.finish_upload(ended).await.unwrap();
    let mut listed = store.list_uploads().await.unwrap();
    listed.sort_by_key(|upload| upload.finished);
    let found: Vec<_> = listed.iter().map(|upload| (upload.id, upload.size, upload.finished)).collect();
    assert_eq!(found, [(open, 4, false), (ended, 4, true)]);
    for id in [open, ended, UploadId::new()] {
        store.delete_upload(id).await.unwrap();
    }
    assert_eq!(store.list_uploads().await.unwrap(), []);
    assert_eq!(store.upload_offset(open).await.unwrap_err().code(), "upload.unknown");
}

/// A device that is always full, in the place of the upload's file.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_told_apart_and_may_be_tried_again() {
    let (directory, store) = crate::local();
    let id = UploadId::new();
    std::os::unix::fs::symlink("/dev/full", directory.path().join(format!("uploads/{id}.part"))).unwrap();
    let error = append(&store, id, 0, 99, &["no room"]).await.unwrap_err();
    assert_eq!((error.code(), error.is_permanent()), ("store.full", false));
}
