//! The query of a request: parameters are fields, called by their path.

use formats::json::{self, ReadOptions};
use tonic::Status;

use super::error::bad_field;
use super::percent;
use super::route::{RequestBody, Route};

/// The most parameters that a query may have.
const MOST: usize = 1000;

/// The deepest field that a parameter may name.
const DEEPEST: usize = 32;

/// What a query says that is no field: Google's system parameters, which begin with `$`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct System {
    /// `$alt=json;enum-encoding=int`: enums are answered as numbers.
    pub(super) enum_numbers: bool,
    /// `$alt=sse`: a stream is answered as server-sent events.
    pub(super) events: bool,
}

/// Appends the fields that are in the query. A singular field that comes twice is as it came last.
///
/// # Errors
/// Names the parameter and says what is wrong with it.
pub(super) fn to_wire(
    route: &Route,
    query: &str,
    options: &ReadOptions,
    out: &mut Vec<u8>,
) -> Result<System, Status> {
    let mut system = System::default();
    for (index, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        if index == MOST {
            let what = format!("more than {MOST} parameters");
            return Err(bad_field("query", "", &what));
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (percent::query(name), percent::query(value)) else {
            return Err(bad_field("query", name, "its percent-encoding is not UTF-8"));
        };
        if let Some(name) = name.strip_prefix('$') {
            system.read(name, &value)?;
            continue;
        }
        parameter(route, &name, &value, options, out)?;
    }
    Ok(system)
}

fn parameter(
    route: &Route,
    name: &str,
    value: &str,
    options: &ReadOptions,
    out: &mut Vec<u8>,
) -> Result<(), Status> {
    let whole = matches!(route.body, RequestBody::Message | RequestBody::Bytes(None));
    let field = match name.split('.').count() > DEEPEST {
        true => return Err(bad_field("query", name, "nested too deeply")),
        false => route.method.input.path(name).filter(|_| !whole),
    };
    if let Some(field) = &field
        && !route.is_bound(field)
    {
        return json::text_to_wire(field, value, options, out)
            .map_err(|error| bad_field("query", name, error.reason()));
    }
    if options.ignore_unknown {
        return Ok(());
    }
    let what = match field {
        Some(_) => "this field is in the path or the body already".into(),
        None if whole => {
            format!("{} takes no parameters: all fields are in the body or the path", route.name())
        }
        None => unknown(route, name),
    };
    Err(bad_field("query", name, &what))
}

/// What keeps a name from being a field, and what may have been meant.
fn unknown(route: &Route, name: &str) -> String {
    let mut message = route.method.descriptor.input();
    for part in name.split('.') {
        let field = message.get_field_by_name(part);
        let Some(field) = field.or_else(|| message.get_field_by_json_name(part)) else {
            let known: Vec<_> = message.fields().collect();
            let hint = match formats::nearest(part, known.iter().map(|field| field.name())) {
                Some(name) => format!("; did you mean `{name}`?"),
                None => String::new(),
            };
            return format!("{} has no field `{part}`{hint}", message.full_name());
        };
        match field.kind().as_message() {
            Some(_) if field.is_map() => return format!("`{part}` is a map, which needs a body"),
            Some(_) if field.is_list() => {
                return format!("`{part}` is a list of messages, which needs a body");
            }
            Some(inner) => message = inner.clone(),
            None => return format!("`{part}` has no fields of its own"),
        }
    }
    "it is no field".into()
}

impl System {
    fn read(&mut self, name: &str, value: &str) -> Result<(), Status> {
        if name != "alt" {
            // Those of Google's gateways, such as `$.xgafv`; none changes what is asked for.
            return Ok(());
        }
        for part in value.split(';') {
            match part.trim() {
                "json" => {}
                "sse" => self.events = true,
                "enum-encoding=int" => self.enum_numbers = true,
                _ => {
                    let what = "expected json, json;enum-encoding=int or sse";
                    return Err(bad_field("query", "$alt", what));
                }
            }
        }
        Ok(())
    }
}
