//! Which protocol a request speaks.

use http::Request;
use http::header::CONTENT_TYPE;

/// The protocols of the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// `application/grpc`, also with `+proto`.
    Grpc,
    /// What is left.
    Other,
}

pub(super) fn detect<B>(request: &Request<B>) -> Protocol {
    let content_type = request.headers().get(CONTENT_TYPE);
    let content_type = content_type.map(|value| value.as_bytes()).unwrap_or_default();
    if let Some(rest) = content_type.strip_prefix(b"application/grpc")
        && matches!(rest.first(), None | Some(b'+' | b';'))
    {
        return Protocol::Grpc;
    }
    Protocol::Other
}
