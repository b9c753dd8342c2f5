//! The first run: a data directory, a hub, a key; and the same hub and key on every later one.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use chassis::{Context, key};

/// Makes the data directory. Others may pass through it (PostgreSQL of its own user must), but not look into it.
pub(super) fn prepare(data_dir: &Path) -> Result<()> {
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("the data directory {} cannot be made", data_dir.display()))
}

/// The hub's identifier and an API key of it that is valid: the one given, the one in `platen.env`, or a fresh one.
pub(super) async fn bootstrap(
    cx: &Context,
    hub: &str,
    given: Option<String>,
    file: &Path,
) -> Result<(String, String)> {
    if !model::source::is_identifier(hub) {
        bail!("`{hub}` cannot be a hub's identifier: 2 to 63 of a-z, 0-9 and single dashes");
    }
    let hub = cx.db.ensure_hub(hub).await?;
    let kept = super::read_env(file).map(|env| env.key);
    for key in [given, kept].into_iter().flatten() {
        if !key::is_well_formed(&key) {
            bail!("the API key given is not of the form that Platen makes");
        }
        match cx.db.principal(&key::hash(&key)).await? {
            Some(principal) if principal.hub == hub.id => return Ok((hub.identifier, key)),
            // A key of another hub: a new hub was asked for over an old data directory.
            Some(_) => {}
            None => {
                cx.db.create_key(&hub.id, "first", &key::display_prefix(&key), &key::hash(&key)).await?;
                return Ok((hub.identifier, key));
            }
        }
    }
    let key = key::fresh()?;
    cx.db.create_key(&hub.id, "first", &key::display_prefix(&key), &key::hash(&key)).await?;
    Ok((hub.identifier, key))
}
