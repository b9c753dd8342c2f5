//! Pages of lists: `page[number]` from 1, `page[size]` up to 500.

use serde::Deserialize;

use crate::answer::Refusal;

/// The part of a query that chooses a page.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Page {
    #[serde(rename = "page[number]")]
    number: Option<String>,
    #[serde(rename = "page[size]")]
    size: Option<String>,
}

impl Page {
    /// Limit and offset.
    pub(crate) fn bounds(&self) -> Result<(i64, i64), Refusal> {
        let size = number(self.size.as_deref(), 50, 500, "page[size]")?;
        let page = number(self.number.as_deref(), 1, 10_000_000, "page[number]")?;
        Ok((size, (page - 1) * size))
    }
}

fn number(text: Option<&str>, default: i64, most: i64, field: &str) -> Result<i64, Refusal> {
    let Some(text) = text else { return Ok(default) };
    text.parse()
        .ok()
        .filter(|n| (1..=most).contains(n))
        .ok_or_else(|| Refusal::invalid(field, format!("`{field}` is a number from 1 to {most}.")))
}
