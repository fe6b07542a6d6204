//! Ends a call whose messages break the rules of their contract.
//!
//! A contract states rules with `buf.validate`; here they hold for every protocol and every
//! service, whatever its language, before a handler sees a message. The call ends with
//! INVALID_ARGUMENT and a `google.rpc.BadRequest` that names each field, and in a stream with the
//! first message that breaks a rule; with INTERNAL if a rule cannot be evaluated. Which methods have rules is decided once, at the start; calls
//! of the others are not looked at.

mod request;
mod response;

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use rules::{CheckError, RuleError, Rules, Violation};
use tonic::{Code, Status};
use tonic_types::pb;
use tower::{Layer, Service};

pub use request::ValidatedRequest;
pub use response::{ValidatedFuture, ValidatedResponse};

use crate::protocol::contracts::Contracts;
use crate::protocol::paths::ByPath;

/// The longest text about one violation, and about all of them, in bytes: they travel in headers.
const MAX_TEXT: usize = 256;
const MAX_MESSAGE: usize = 1024;

/// Adds [`Validation`].
#[derive(Clone, Debug, Default)]
pub struct ValidationLayer {
    methods: Arc<ByPath<Arc<Checks>>>,
}

/// The rules of a method's requests.
#[derive(Debug)]
struct Checks {
    message: MessageDescriptor,
    rules: Arc<Rules>,
}

impl ValidationLayer {
    /// Reads the rules of the methods that a server serves.
    ///
    /// # Errors
    /// A rule that cannot be kept.
    pub fn new(contracts: &Contracts) -> Result<Self, RuleError> {
        let rules = Arc::new(Rules::new(contracts.pool())?);
        let methods = contracts.methods().filter_map(|method| {
            let message = method.descriptor.input();
            let checks = Checks { message: message.clone(), rules: Arc::clone(&rules) };
            rules.has(message.full_name()).then(|| (method.path.as_str().into(), Arc::new(checks)))
        });
        Ok(Self { methods: Arc::new(methods.collect()) })
    }
}

impl<S> Layer<S> for ValidationLayer {
    type Service = Validation<S>;

    fn layer(&self, inner: S) -> Validation<S> {
        Validation { inner, methods: Arc::clone(&self.methods) }
    }
}

/// Checks requests before the inner service reads them. See the [module](self).
#[derive(Clone, Debug)]
pub struct Validation<S> {
    inner: S,
    methods: Arc<ByPath<Arc<Checks>>>,
}

/// Where a call that broke a rule leaves its status, for whoever answers: a handler may take the
/// end of its requests for something else.
type Broken = Arc<OnceLock<Status>>;

impl<S, B, RB> Service<Request<B>> for Validation<S>
where
    S: Service<Request<ValidatedRequest<B>>, Response = Response<RB>, Error = Infallible>,
    RB: Body<Data = Bytes> + Default,
{
    type Response = Response<ValidatedResponse<RB>>;
    type Error = Infallible;
    type Future = ValidatedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let checks = match self.methods.is_empty() {
            true => None,
            false => self.methods.get(request.uri().path()).cloned(),
        };
        let Some(checks) = checks else {
            let future = self.inner.call(request.map(ValidatedRequest::unchecked));
            return ValidatedFuture::new(future, None);
        };
        let broken = Broken::default();
        let request = request.map(|body| ValidatedRequest::new(body, checks, Arc::clone(&broken)));
        ValidatedFuture::new(self.inner.call(request), Some(broken))
    }
}

impl Checks {
    /// Checks one message.
    fn check(&self, message: &[u8]) -> Result<(), Status> {
        let message = DynamicMessage::decode(self.message.clone(), message)
            .map_err(|error| Status::internal(format!("cannot decode a request: {error}")))?;
        self.rules.check(&message).map_err(|error| match error {
            CheckError::Violations(violations) => refusal(&violations),
            CheckError::Evaluation { rule, problem } => {
                let message = self.message.full_name();
                let problem = short(&problem, MAX_TEXT);
                tracing::error!(message, rule, problem, "a rule cannot be evaluated");
                Status::internal("a rule of the contract cannot be evaluated")
            }
        })
    }
}

/// INVALID_ARGUMENT, with each violation among its details.
fn refusal(violations: &[Violation]) -> Status {
    let mut message = String::new();
    for violation in violations {
        let separator = if message.is_empty() { "" } else { "; " };
        let _ = write!(message, "{separator}{violation}");
    }
    let field_violations = violations.iter().map(|violation| pb::bad_request::FieldViolation {
        field: violation.field.clone(),
        description: short(&violation.message, MAX_TEXT),
        reason: reason(&violation.rule),
        localized_message: None,
    });
    let bad_request = pb::BadRequest { field_violations: field_violations.collect() };
    let message = short(&message, MAX_MESSAGE);
    let details = pb::Status {
        code: Code::InvalidArgument.into(),
        message: message.clone(),
        details: vec![prost_types::Any {
            type_url: "type.googleapis.com/google.rpc.BadRequest".to_owned(),
            value: bad_request.encode_to_vec(),
        }],
    };
    Status::with_details(Code::InvalidArgument, message, details.encode_to_vec().into())
}

fn short(text: &str, limit: usize) -> String {
    let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= limit).last();
    let cut = if text.len() > limit { text.get(..end.unwrap_or(0)) } else { None };
    cut.map_or_else(|| text.to_owned(), |cut| format!("{cut}…"))
}

/// A rule as `BadRequest.FieldViolation.reason` wants it: upper case, at most 63 characters.
fn reason(rule: &str) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let reason: String = rule.chars().map(upper).take(63).collect();
    reason.trim_matches('_').to_owned()
}
