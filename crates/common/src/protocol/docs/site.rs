//! The pages as files, for any web server or none.

use std::collections::BTreeMap;
use std::io;

use http::Uri;
use prost_reflect::ServiceDescriptor;

use super::{Security, index, reference};
use crate::protocol::openapi::{self, Options};
use crate::protocol::rest::binding::BindingError;

/// Files by their paths.
pub type Site = BTreeMap<String, Vec<u8>>;

/// Why there are no files.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// A method's `google.api.http` is wrong.
    #[error(transparent)]
    Binding(#[from] BindingError),
    /// The script of the pages.
    #[error("scalar.js")]
    Script(#[source] io::Error),
}

/// `index.html`; and for each document `NAME/index.html`, `NAME/openapi.json` and
/// `NAME/openapi.yaml`.
///
/// # Errors
/// See [`SiteError`].
pub fn site(
    services: impl IntoIterator<Item = ServiceDescriptor>,
    options: &Options<'_>,
) -> Result<Site, SiteError> {
    let documents = openapi::documents(services);
    let mut files = Site::new();
    for (name, services) in &documents {
        let document = openapi::document(name, services, options)?;
        files.insert(format!("{name}/openapi.json"), format!("{document:#}\n").into());
        files.insert(format!("{name}/openapi.yaml"), openapi::yaml(&document).into());
        files.insert(format!("{name}/index.html"), reference::embedded(name, &document).into());
    }
    let server: Uri = options.server.parse().unwrap_or_default();
    let place = index::Place {
        security: match server.scheme_str() {
            Some("https") => Security::Tls,
            _ => Security::None,
        },
        host: server.authority().map_or("HOST:PORT", |authority| authority.as_str()),
        prefix: server.path().trim_end_matches('/'),
        reference: "index.html",
    };
    let shown = documents.iter().map(|(name, services)| (name.as_str(), services.as_slice()));
    files.insert("index.html".into(), index::page(shown, &place, options.examples).into());
    files.insert(reference::SCRIPT.into(), reference::script().map_err(SiteError::Script)?);
    Ok(files)
}
