//! "Did you mean": the known names nearest to one that is not known.

/// At most this many names are suggested.
const MOST: usize = 3;

/// Names less alike than this (of 1) are not worth a suggestion.
const ALIKE: f64 = 0.75;

/// A sentence's end, `; did you mean A or B?`, or nothing when no name comes near.
pub fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let wrong = wrong.to_lowercase();
    let mut near: Vec<(f64, &str)> = known
        .into_iter()
        .map(|name| (likeness(&wrong, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.dedup_by(|a, b| a.1 == b.1);
    near.truncate(MOST);
    if near.is_empty() {
        return None;
    }
    let names: Vec<_> = near.iter().map(|(_, name)| *name).collect();
    Some(format!("; did you mean {}?", names.join(" or ")))
}

/// The types that need no import.
const SCALARS: [&str; 15] = [
    "double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32",
    "fixed64", "sfixed32", "sfixed64", "bool", "string", "bytes",
];

/// What to do about a compiler's error that says that a name is not defined.
pub fn for_undefined(error: &str) -> Option<String> {
    let name = error.contains("not defined").then(|| error.split('\'').nth(1))??;
    let name = name.trim_matches(['(', ')', '.']);
    let file = match name {
        _ if name.starts_with("google.api.http") => "google/api/annotations.proto",
        _ if name.starts_with("google.api.field_behavior") => "google/api/field_behavior.proto",
        "google.api.HttpBody" => "google/api/httpbody.proto",
        _ if name.starts_with("buf.validate.") => "buf/validate/validate.proto",
        "google.protobuf.Any" => "google/protobuf/any.proto",
        "google.protobuf.Duration" => "google/protobuf/duration.proto",
        "google.protobuf.Empty" => "google/protobuf/empty.proto",
        "google.protobuf.FieldMask" => "google/protobuf/field_mask.proto",
        "google.protobuf.Timestamp" => "google/protobuf/timestamp.proto",
        "google.protobuf.Struct" | "google.protobuf.Value" | "google.protobuf.ListValue" => {
            "google/protobuf/struct.proto"
        }
        _ if name.starts_with("google.protobuf.") && name.ends_with("Value") => {
            "google/protobuf/wrappers.proto"
        }
        _ => return did_you_mean(name, SCALARS).map(|hint| hint.trim_start_matches("; ").into()),
    };
    Some(format!("write `import \"{file}\";`"))
}

/// The likeness of two names, or of `wrong` and the last part of `known` where that is greater.
fn likeness(wrong: &str, known: &str) -> f64 {
    let short = |name: &str| name.rsplit(['.', '/']).next().unwrap_or(name).to_owned();
    let whole = strsim::normalized_damerau_levenshtein(wrong, known);
    if wrong.contains(['.', '/']) {
        return whole;
    }
    let short = short(known);
    // A name that was cut short is as alike as a suggestion has to be.
    let begun = if short.starts_with(wrong) { ALIKE } else { 0.0 };
    whole.max(begun).max(strsim::normalized_damerau_levenshtein(wrong, &short))
}

#[cfg(test)]
mod tests {
    use super::{did_you_mean, for_undefined};

    #[test]
    fn nearest_first_and_nothing_from_afar() {
        let known = ["hello.v1.HelloService", "world.v1.WorldService", "name"];
        assert_eq!(
            did_you_mean("HeloService", known).as_deref(),
            Some("; did you mean hello.v1.HelloService?")
        );
        assert_eq!(did_you_mean("nmae", known).as_deref(), Some("; did you mean name?"));
        assert_eq!(
            did_you_mean("world", known).as_deref(),
            Some("; did you mean world.v1.WorldService?")
        );
        assert_eq!(did_you_mean("zzz", known), None);
    }

    #[test]
    fn what_is_not_defined_is_a_slip_or_an_import() {
        for (error, hint) in [
            ("name 'strin' is not defined", Some("did you mean string?")),
            ("name 'Order' is not defined", None),
            (
                "'google.api.http' resolves to 'google.api.http', which is not defined",
                Some("write `import \"google/api/annotations.proto\";`"),
            ),
            (
                "name 'google.protobuf.Int32Value' is not defined",
                Some("write `import \"google/protobuf/wrappers.proto\";`"),
            ),
            ("expected an identifier", None),
        ] {
            assert_eq!(for_undefined(error).as_deref(), hint, "{error}");
        }
    }
}
