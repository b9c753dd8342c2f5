//! What every backend of the store promises. The suites are functions over `&Store`; `on_local!` runs them on a
//! directory, and another backend is one more such macro.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests are tests"
)]

mod damage;
mod index;
mod layers;
mod packs;
mod reading;
mod round_trip;
mod sharing;
mod tree;
mod uploads;

use store::{ChunkSizes, Store, StoreConfig};
use tempfile::TempDir;

/// Small sizes, so that a few megabytes have all the cuts that a real image has.
fn config(root: &std::path::Path) -> StoreConfig {
    let sizes = ChunkSizes { min: 4 << 10, average: 16 << 10, max: 64 << 10 };
    StoreConfig { sizes, threads: 2, memory: 2 << 20, ..StoreConfig::local(root) }
}

fn local() -> (TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(config(directory.path())).unwrap();
    (directory, store)
}

macro_rules! on_local {
    ($($suite:ident: $($behaviour:ident),+;)+) => {$(
        mod $suite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                let (_directory, store) = super::super::local();
                crate::$suite::$behaviour(&store).await;
            })+
        }
    )+};
}

mod local_directory {
    on_local! {
        layers: the_same_layer_again_writes_nothing, content_met_twice_is_stored_once, layers_of_one_import_share_a_pack,
            a_checkpoint_spares_what_is_before_it, every_batch_is_proved_once, memory_stays_within_its_bound,
            a_dropped_intake_leaves_nothing, nothing_taken_in_is_no_pack, a_pack_id_is_used_once;
        sharing: a_large_file_is_the_same_chunks_in_any_image,
            a_large_file_is_cut_as_if_read_at_once, a_file_of_the_size_of_a_chunk_is_one,
            a_byte_inserted_in_a_large_file_changes_few_chunks;
        damage: a_failing_reader_comes_out_as_it_was, a_failing_index_ends_the_import,
            what_reads_back_as_something_else_is_damage,
            a_known_chunk_whose_pack_is_gone_is_damage, an_index_that_lies_is_damage;
        reading: any_range_of_many_packs, a_recipe_too_short_is_damage, a_missing_pack_is_damage;
        packs: packs_are_listed_and_deleted, chunks_move_and_damage_stays_behind;
        uploads: an_upload_grows_resumes_and_ends, an_upload_keeps_what_arrived, one_request_appends_at_a_time,
            uploads_are_listed_and_deleted;
    }
}
