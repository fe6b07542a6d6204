//! REST's path templates and its requests.

mod request;

pub use request::request;

use ahoy::protocol::rest::template::{Segment, Template};

/// A template is read as it was written or refused with a place in it, and what it says of itself
/// holds together.
pub fn template(text: &str) {
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(error) => {
            assert!((1..=text.chars().count() + 1).contains(&error.at), "{error}");
            return;
        }
    };
    assert_eq!(template.to_string(), text);
    let segments = template.segments();
    let (last, others) = segments.split_last().expect("a template has segments");
    assert!(!others.contains(&Segment::Rest), "** before {last:?}");
    let mut end = 0;
    for variable in template.variables() {
        let range = &variable.segments;
        assert!(end <= range.start && range.start < range.end && range.end <= segments.len());
        end = range.end;
        let fields = template.variables().iter().filter(|other| other.field == variable.field);
        assert_eq!(fields.count(), 1, "a field twice");
        let rest = segments[range.clone()].contains(&Segment::Rest);
        assert_eq!(variable.single, range.len() == 1 && !rest);
    }
}
