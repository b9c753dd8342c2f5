//! Whole-factory stories, over real servers. Each is a sentence.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a story that cannot go on must stop"
)]

mod a_killed_factory_is_taken_over;
mod an_event_from_outside_imports;
mod an_image_is_pulled_and_runs_as_it_was;
mod archives_of_every_form_are_one_image;
mod bad_input_is_told_and_leaves_nothing;
mod many_small_imports_all_go_live;
mod pruned_images_give_their_bytes_back;
mod restarts_keep_everything;
mod several_platforms_are_one_index;
mod the_log_is_kept_and_followed;
mod the_same_source_gives_the_same_image;

/// Every invariant of the database holds.
pub(crate) fn assert_sound(factory: &testkit::Factory) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let found = runtime.block_on(async {
        let db = db::Db::connect(factory.env("DATABASE_URL"), 2).unwrap();
        db.violations().await.unwrap()
    });
    assert!(found.is_empty(), "invariants are broken:\n{}", found.join("\n"));
}

/// Waits for something that comes about by itself, but not for ever.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = std::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "still not: {what}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
