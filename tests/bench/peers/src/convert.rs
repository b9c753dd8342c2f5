//! An OCI layout to one tar, by `ocirender`'s batch conversion.
//!
//! Usage: `ocirender-tar LAYOUT OUTPUT`.

use std::path::Path;

use anyhow::Result;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [layout, output] = args.as_slice() else {
        anyhow::bail!("usage: ocirender-tar LAYOUT OUTPUT");
    };
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(ocirender::convert_tar(Path::new(layout), Path::new(output)))?;
    Ok(())
}
