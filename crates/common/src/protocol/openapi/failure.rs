//! The answers of a call that failed.

use serde_json::{Map, Value, json};
use tonic::Code;

use super::example::{Example, Outcome};
use super::schema::Schemas;
use crate::protocol::rest::http_code;

/// The name of the schema of every failure.
const STATUS: &str = "google.rpc.Status";
/// The name of the response of every failure that is not described on its own.
const ERROR: &str = "Error";

/// The codes, by the names that contracts use.
const CODES: [(Code, &str); 16] = [
    (Code::Cancelled, "CANCELLED"),
    (Code::Unknown, "UNKNOWN"),
    (Code::InvalidArgument, "INVALID_ARGUMENT"),
    (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
    (Code::NotFound, "NOT_FOUND"),
    (Code::AlreadyExists, "ALREADY_EXISTS"),
    (Code::PermissionDenied, "PERMISSION_DENIED"),
    (Code::ResourceExhausted, "RESOURCE_EXHAUSTED"),
    (Code::FailedPrecondition, "FAILED_PRECONDITION"),
    (Code::Aborted, "ABORTED"),
    (Code::OutOfRange, "OUT_OF_RANGE"),
    (Code::Unimplemented, "UNIMPLEMENTED"),
    (Code::Internal, "INTERNAL"),
    (Code::Unavailable, "UNAVAILABLE"),
    (Code::DataLoss, "DATA_LOSS"),
    (Code::Unauthenticated, "UNAUTHENTICATED"),
];

/// The `responses` of a document: what operations refer to.
pub(super) fn shared(schemas: &mut Schemas<'_>) -> Value {
    json!({ ERROR: {
        "description": "The call failed. The HTTP status is that of the code, as `google/rpc/code.proto` maps them.",
        "content": content(schemas, &[]),
    }})
}

/// The failures of an operation: those that its contract names, each by its HTTP status, and
/// `default` for every other.
pub(super) fn responses(
    schemas: &mut Schemas<'_>,
    comments: &[&str],
    examples: &[Example],
) -> Map<String, Value> {
    let failures = examples.iter().filter_map(|example| match &example.outcome {
        Outcome::Failure { code, message, details } => Some((example, *code, message, details)),
        Outcome::Responses(_) => None,
    });
    let failures: Vec<_> = failures.collect();
    let named = CODES.iter().filter(|(code, name)| {
        let said = comments.iter().any(|comment| says(comment, name));
        said || failures.iter().any(|(_, failure, ..)| failure == code)
    });
    let mut by_status: Vec<(u16, Vec<(Code, &str)>)> = Vec::new();
    for (code, name) in named {
        let status = http_code(*code).as_u16();
        match by_status.iter_mut().find(|(known, _)| *known == status) {
            Some((_, codes)) => codes.push((*code, name)),
            None => by_status.push((status, vec![(*code, name)])),
        }
    }
    by_status.sort_unstable_by_key(|(status, _)| *status);

    let mut responses = Map::new();
    for (status, codes) in by_status {
        let of_status =
            failures.iter().filter(|(_, code, ..)| codes.iter().any(|(c, _)| c == code));
        let shown: Vec<_> = of_status
            .map(|(example, code, message, details)| {
                let value = json!({ "code": *code as i32, "message": message, "details": details });
                (example.name.as_str(), example.summary.as_str(), value)
            })
            .collect();
        let names: Vec<_> = codes.iter().map(|(_, name)| format!("`{name}`")).collect();
        responses.insert(
            status.to_string(),
            json!({
                "description": format!("{}; the contract says when.", names.join(" or ")),
                "content": content(schemas, &shown),
            }),
        );
    }
    responses
        .insert("default".into(), json!({ "$ref": format!("#/components/responses/{ERROR}") }));
    responses
}

fn content(schemas: &mut Schemas<'_>, examples: &[(&str, &str, Value)]) -> Value {
    let mut media = Map::from_iter([("schema".to_owned(), status(schemas))]);
    if !examples.is_empty() {
        let examples: Map<_, _> = examples
            .iter()
            .map(|(name, summary, value)| {
                ((*name).to_owned(), json!({ "summary": summary, "value": value }))
            })
            .collect();
        media.insert("examples".into(), examples.into());
    }
    json!({ "application/json": media })
}

/// A failure as JSON.
pub(super) fn status(schemas: &mut Schemas<'_>) -> Value {
    let detail = schemas
        .own("google.protobuf.Any", || super::well_known::schema("google.protobuf.Any").into());
    schemas.own(STATUS, || {
        let codes: Vec<_> =
            CODES.iter().map(|(code, name)| format!("{} {name}", *code as i32)).collect();
        json!({
            "type": "object",
            "description": "Why a call failed.",
            "properties": {
                "code": {
                    "type": "integer",
                    "format": "int32",
                    "description": format!("A code of gRPC: {}.", codes.join(", ")),
                },
                "message": { "type": "string", "description": "What went wrong, for a developer to read." },
                "details": {
                    "type": "array",
                    "items": detail,
                    "description": "More of it, for a program to read, such as a `google.rpc.BadRequest`.",
                },
            },
            "required": ["code", "message"],
        })
    })
}

/// Whether a comment names a code, as a word of its own.
fn says(comment: &str, name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    comment.match_indices(name).any(|(at, _)| {
        let before = comment.get(..at).and_then(|before| before.chars().next_back());
        let after = comment.get(at + name.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(word) && !after.is_some_and(word)
    })
}

#[cfg(test)]
mod tests {
    use super::says;

    #[test]
    fn codes_are_found_as_words() {
        assert!(says("ends with NOT_FOUND.", "NOT_FOUND"));
        assert!(says("`UNKNOWN`", "UNKNOWN"));
        assert!(!says("UNKNOWN_LANGUAGE", "UNKNOWN"));
        assert!(!says("not found", "NOT_FOUND"));
    }
}
