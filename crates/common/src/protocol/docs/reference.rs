//! The interactive page of a document: Scalar's API reference, with its script from this server.

use std::io::{Error, Read as _};

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::html::escape;

/// The file name of the script.
pub(super) const SCRIPT: &str = "scalar.js";

pub(super) const SCRIPT_GZIP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/scalar.js.gz"));

/// The page talks to its own server alone. The script makes its own styles, which no hash can
/// name; of scripts there is none in the page.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; \
    font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The script, not compressed.
///
/// # Errors
/// It is damaged.
pub(super) fn script() -> Result<Vec<u8>, Error> {
    let mut script = Vec::new();
    GzDecoder::new(SCRIPT_GZIP).read_to_end(&mut script)?;
    Ok(script)
}

/// The page as a server has it: beside the document.
pub(super) fn linked(name: &str) -> String {
    let source = format!(
        r#"<script id="api-reference" type="application/json" data-url="openapi.json" data-configuration="{}"></script>"#,
        escape(&configuration().to_string())
    );
    page(name, &source, &format!("../docs/{SCRIPT}"))
}

/// The page as a file: with the document in it, since a browser lets no page that is a file read
/// others, and in a folder beside the script.
pub(super) fn embedded(name: &str, document: &Value) -> String {
    // Nothing in it ends the element.
    let document = document.to_string().replace("</", r"<\/").replace("<!--", r"<\u0021--");
    let source = format!(
        r#"<script id="api-reference" type="application/json" data-configuration="{}">{document}</script>"#,
        escape(&configuration().to_string())
    );
    page(name, &source, &format!("../{SCRIPT}"))
}

fn page(name: &str, source: &str, script: &str) -> String {
    format!(
        r#"<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>{}</title>
    <link rel="icon" href="data:,">
  </head>
  <body>
    {source}
    <script src="{}"></script>
  </body>
</html>
"#,
        escape(name),
        escape(script),
    )
}

/// What Scalar would fetch or offer from elsewhere is off.
fn configuration() -> Value {
    json!({
        "withDefaultFonts": false,
        "telemetry": false,
        "agent": { "disabled": true },
        "mcp": { "disabled": true },
        "hideClientButton": true,
        "showDeveloperTools": "never",
        "defaultOpenAllTags": true,
    })
}
