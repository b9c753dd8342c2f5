//! What must be true at any quiet moment: queries that return no rows.

use sqlx::Row;

use crate::{Db, Result};

/// Name and query of each invariant.
pub const ALL: &[(&str, &str)] = &[
    ("live_is_whole", include_str!("../invariants/live_is_whole.sql")),
    ("usage_is_the_sum", include_str!("../invariants/usage_is_the_sum.sql")),
    ("outbox_moves", include_str!("../invariants/outbox_moves.sql")),
    ("logs_have_no_gap", include_str!("../invariants/logs_have_no_gap.sql")),
    ("deleted_serves_nothing", include_str!("../invariants/deleted_serves_nothing.sql")),
];

impl Db {
    /// Runs every invariant; answers each violation as `name: what`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn violations(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for (name, query) in ALL {
            for row in sqlx::query(*query).fetch_all(&self.pool).await? {
                let what: String = row.try_get(0)?;
                found.push(format!("{name}: {what}"));
            }
        }
        Ok(found)
    }
}
