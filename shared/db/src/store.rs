//! The store's index: packs, chunks and recipes.
//!
//! An object is written before its row says it is there, and its row goes before the object does. Whoever finds a
//! chunk holds its pack in the same statement; whoever lets a pack go locks it, looks again, and only then lets go.

pub mod checkpoint;
pub mod chunk;
pub mod content;
pub mod layer;
pub mod proof;
pub mod recipe;
pub mod reclaim;
pub mod rewrite;
pub mod scrub;
pub mod served;

pub use checkpoint::Checkpoint;
pub use chunk::{FoundChunk, NewChunk};
pub use content::NewContent;
pub use layer::{KnownLayer, SavedLayer};
pub use recipe::{ChunkUse, KnownFlat, NewRecipe, Placed, RecipeUse};
