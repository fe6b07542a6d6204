//! Turns a block of headers into the head of a message, or says that it is none (RFC 9113,
//! section 8).

use http::header::CONTENT_LENGTH;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};

use super::hpack::{Decoder, Field, Go, Undecodable};

/// How many times the limit of a list is read, to answer that it is too large, before that is
/// taken for an attack.
pub(super) const PATIENCE: usize = 4;

/// Most heads have no more fields.
const USUAL: usize = 8;

/// What a block says.
#[derive(Debug, Default)]
pub(super) struct Head {
    method: Option<Method>,
    scheme: Option<Scheme>,
    authority: Option<Authority>,
    path: Option<PathAndQuery>,
    status: Option<StatusCode>,
    fields: HeaderMap,
    length: Option<u64>,
    pseudo: bool,
    malformed: bool,
    too_large: bool,
}

/// What is wrong with a block as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Undecodable,
    /// It is so far beyond the limit that it is no mistake.
    Flood,
}

/// What is wrong with one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Malformed,
    /// Its list is above the limit.
    TooLarge,
}

/// A head that is as it should be, and the length of what follows if it says so.
pub(super) type Checked<T> = Result<(T, Option<u64>), Refused>;

impl Head {
    /// Reads a block whose list should be no larger than `limit`.
    pub(super) fn read(decoder: &mut Decoder, block: &[u8], limit: usize) -> Result<Self, Wrong> {
        let mut head = Self { fields: HeaderMap::with_capacity(USUAL), ..Self::default() };
        let (mut size, mut flood) = (0_usize, false);
        let decoded = decoder.decode(block, |field, field_size| {
            size = size.saturating_add(field_size);
            if size <= limit {
                head.add(field);
            } else {
                head.too_large = true;
                flood = size > limit.saturating_mul(PATIENCE);
            }
            if flood { Go::Break(()) } else { Go::Continue(()) }
        });
        match decoded {
            Ok(()) if flood => Err(Wrong::Flood),
            Ok(()) => Ok(head),
            Err(Undecodable) => Err(Wrong::Undecodable),
        }
    }

    fn add(&mut self, field: &Field) {
        // Pseudo-headers come first, and once (section 8.3).
        let fits = match field {
            Field::Header(name, value) => {
                match self.fields.try_append(name.clone(), value.clone()) {
                    Ok(_) => true,
                    Err(_) => {
                        self.too_large = true;
                        true
                    }
                }
            }
            Field::Length(length, value) => {
                let first = self.length.is_none_or(|known| known == *length);
                self.length = Some(*length);
                self.fields.insert(CONTENT_LENGTH, value.clone());
                first
            }
            Field::Malformed => false,
            Field::Method(method) => self.pseudo(|head| head.method.replace(method.clone())),
            Field::Scheme(scheme) => self.pseudo(|head| head.scheme.replace(scheme.clone())),
            Field::Authority(name) => self.pseudo(|head| head.authority.replace(name.clone())),
            Field::Path(path) => self.pseudo(|head| head.path.replace(path.clone())),
            Field::Status(status) => self.pseudo(|head| head.status.replace(*status)),
        };
        self.malformed |= !fits;
    }

    fn pseudo<T>(&mut self, set: impl FnOnce(&mut Self) -> Option<T>) -> bool {
        self.pseudo = true;
        self.fields.is_empty() && set(self).is_none()
    }

    fn check(&self) -> Result<(), Refused> {
        match (self.too_large, self.malformed) {
            (true, _) => Err(Refused::TooLarge),
            (_, true) => Err(Refused::Malformed),
            _ => Ok(()),
        }
    }

    /// As a request (section 8.3.1).
    pub(super) fn request(self) -> Checked<Request<()>> {
        self.check()?;
        let method = self.method.ok_or(Refused::Malformed)?;
        if self.status.is_some() {
            return Err(Refused::Malformed);
        }
        let mut uri = http::uri::Parts::default();
        if method == Method::CONNECT {
            // It is for a host and nothing else (section 8.5).
            if self.scheme.is_some() || self.path.is_some() || self.authority.is_none() {
                return Err(Refused::Malformed);
            }
            uri.authority = self.authority;
        } else {
            if self.scheme.is_none() || self.path.is_none() {
                return Err(Refused::Malformed);
            }
            // The host may be in a field of its own, and then there is no place for a scheme.
            uri.scheme = self.scheme.filter(|_| self.authority.is_some());
            uri.authority = self.authority;
            uri.path_and_query = self.path;
        }
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from_parts(uri).map_err(|_| Refused::Malformed)?;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = self.fields;
        Ok((request, self.length))
    }

    /// As a response (section 8.3.2).
    pub(super) fn response(self) -> Checked<Response<()>> {
        self.check()?;
        let of_requests = self.method.is_some()
            || self.scheme.is_some()
            || self.authority.is_some()
            || self.path.is_some();
        let status = self.status.filter(|_| !of_requests).ok_or(Refused::Malformed)?;
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.version_mut() = Version::HTTP_2;
        *response.headers_mut() = self.fields;
        Ok((response, self.length))
    }

    /// As trailers (section 8.1).
    pub(super) fn trailers(self) -> Result<HeaderMap, Refused> {
        self.check()?;
        match self.pseudo {
            true => Err(Refused::Malformed),
            false => Ok(self.fields),
        }
    }
}
