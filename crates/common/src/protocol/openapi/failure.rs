//! The answers of a call that failed.

use examples::status::CODES;
use examples::{Example, Status};
use serde_json::{Map, Value, json};
use tonic::Code;

use super::schema::Schemas;
use crate::protocol::rest::http_code;

/// The name of the schema of every failure.
const STATUS: &str = "google.rpc.Status";
/// The name of the response of every failure that is not described on its own.
const ERROR: &str = "Error";

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
    examples: &[&Example],
) -> Map<String, Value> {
    // One that has answered before is a line of a stream.
    let failed = |example: &&&Example| !example.status.is_ok() && example.responses.is_empty();
    let failures: Vec<_> = examples.iter().filter(failed).collect();
    let mut by_status: Vec<(u16, Vec<(i32, &str)>)> = Vec::new();
    for (code, name) in (0..).zip(CODES).skip(1) {
        let said = comments.iter().any(|comment| says(comment, name));
        if !said && !failures.iter().any(|example| example.status.code == code) {
            continue;
        }
        let status = http_code(Code::from_i32(code)).as_u16();
        match by_status.iter_mut().find(|(known, _)| *known == status) {
            Some((_, codes)) => codes.push((code, name)),
            None => by_status.push((status, vec![(code, name)])),
        }
    }
    by_status.sort_unstable_by_key(|(status, _)| *status);

    let mut responses = Map::new();
    for (status, codes) in by_status {
        let shown = failures.iter().map(|example| **example);
        let shown = shown.filter(|example| codes.iter().any(|(c, _)| *c == example.status.code));
        let shown: Vec<_> = shown.collect();
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

/// What an example's failure is answered with.
pub(super) fn value(example: &Example) -> Value {
    let Status { code, message, details } = &example.status;
    json!({ "code": code, "message": message.as_deref().unwrap_or_default(), "details": details })
}

fn content(schemas: &mut Schemas<'_>, examples: &[&Example]) -> Value {
    let mut media = Map::from_iter([("schema".to_owned(), status(schemas))]);
    if !examples.is_empty() {
        let shown = examples.iter().map(|example| {
            let summary = example.description.trim();
            (example.name.clone(), json!({ "summary": summary, "value": value(example) }))
        });
        media.insert("examples".into(), shown.collect::<Map<_, _>>().into());
    }
    json!({ "application/json": media })
}

/// A failure as JSON.
pub(super) fn status(schemas: &mut Schemas<'_>) -> Value {
    let detail = schemas
        .own("google.protobuf.Any", || super::well_known::schema("google.protobuf.Any").into());
    schemas.own(STATUS, || {
        let codes = CODES.iter().enumerate().skip(1);
        let codes: Vec<_> = codes.map(|(code, name)| format!("{code} {name}")).collect();
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
