//! Compresses the script of the docs page, so that a server holds a fifth of it and compresses
//! nothing itself.

use std::fs::File;
use std::io::{Error, Write};
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;

fn main() -> Result<(), Error> {
    // The script comes with a dependency: another version of it is another build anyway.
    println!("cargo::rerun-if-changed=build.rs");
    let script = scalar_api_reference::get_asset("scalar.js");
    let script = script.ok_or_else(|| Error::other("scalar_api_reference has no scalar.js"))?;
    let out = std::env::var_os("OUT_DIR").ok_or_else(|| Error::other("OUT_DIR is not set"))?;
    let file = File::create(PathBuf::from(out).join("scalar.js.gz"))?;
    let mut gzip = GzEncoder::new(file, Compression::best());
    gzip.write_all(&script)?;
    gzip.finish()?;
    Ok(())
}
