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
    use super::did_you_mean;

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
}
