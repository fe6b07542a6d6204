//! Path templates, such as `/v1/{name=shelves/*}/books:count`, as `google/api/http.proto` has
//! them.

use std::fmt;
use std::ops::Range;

use percent_encoding::percent_decode_str;

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    segments: Vec<Segment>,
    variables: Vec<Variable>,
    verb: Option<String>,
}

/// What one segment of a path has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// This text, percent-decoded.
    Literal(String),
    /// `*`: any one segment that is not empty.
    One,
    /// `**`: all that is left, which may be nothing.
    Rest,
}

/// A part of the path that is a field of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The dotted path of the field, as the template has it.
    pub field: String,
    /// Its segments among the template's.
    pub segments: Range<usize>,
    /// Whether it is percent-decoded without leaving `%2F` as it is: it is exactly one segment.
    pub single: bool,
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path template \"{template}\" is wrong at character {at}: {what}")]
pub struct TemplateError {
    /// The template.
    pub template: String,
    /// Which character, counted from 1.
    pub at: usize,
    /// What is wrong with it, and what to do.
    pub what: &'static str,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Says which character the grammar does not allow, and why.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parser = Parser { text, rest: text, segments: Vec::new(), variables: Vec::new() };
        let verb = parser.template().map_err(|what| {
            let before = text.len() - parser.rest.len();
            let at = text.get(..before).map_or(0, |before| before.chars().count()) + 1;
            TemplateError { template: text.to_owned(), at, what }
        })?;
        let Parser { segments, variables, .. } = parser;
        Ok(Self { text: text.to_owned(), segments, variables, verb })
    }

    /// The segments, those of variables among them.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The variables, in the order of the path.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// What follows the colon at the end, percent-decoded.
    pub fn verb(&self) -> Option<&str> {
        self.verb.as_deref()
    }
}

/// The template as it was written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    segments: Vec<Segment>,
    variables: Vec<Variable>,
}

type Parsed<T> = Result<T, &'static str>;

impl<'a> Parser<'a> {
    fn template(&mut self) -> Parsed<Option<String>> {
        if !self.take('/') {
            return Err("a template begins with `/`");
        }
        self.segments(true)?;
        let verb = match self.take(':') {
            true => Some(self.literal()?),
            false => None,
        };
        match self.rest.chars().next() {
            None => Ok(verb),
            Some('/' | ':') if verb.is_some() => Err("the verb after `:` ends the template"),
            Some('}') => Err("`}` without a `{` before it"),
            Some(_) => Err("expected `/`, `:` or the end"),
        }
    }

    fn segments(&mut self, variables: bool) -> Parsed<()> {
        loop {
            self.segment(variables)?;
            if !self.take('/') {
                return Ok(());
            }
        }
    }

    fn segment(&mut self, variables: bool) -> Parsed<()> {
        if self.segments.last() == Some(&Segment::Rest) {
            return Err("nothing but a verb may follow `**`");
        }
        if self.rest.starts_with('{') {
            if !variables {
                return Err("a variable may not contain another");
            }
            return self.variable();
        }
        let segment = if self.take_str("**") {
            Segment::Rest
        } else if self.take('*') {
            Segment::One
        } else {
            Segment::Literal(self.literal()?)
        };
        self.segments.push(segment);
        Ok(())
    }

    fn variable(&mut self) -> Parsed<()> {
        self.take('{');
        let field = self.field_path()?.to_owned();
        if self.variables.iter().any(|known| known.field == field) {
            return Err("this field is in the template twice");
        }
        let start = self.segments.len();
        match self.take('=') {
            true => self.segments(false)?,
            false if self.segments.last() == Some(&Segment::Rest) => {
                return Err("nothing but a verb may follow `**`");
            }
            false => self.segments.push(Segment::One),
        }
        if !self.take('}') {
            return Err("expected `}`, the end of the variable");
        }
        let segments = start..self.segments.len();
        let single = segments.len() == 1 && self.segments.last() != Some(&Segment::Rest);
        self.variables.push(Variable { field, segments, single });
        Ok(())
    }

    fn field_path(&mut self) -> Parsed<&'a str> {
        let from = self.rest;
        loop {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = self.rest.find(|c| !word(c)).unwrap_or(self.rest.len());
            if end == 0 || self.rest.starts_with(|c: char| c.is_ascii_digit()) {
                return Err("expected the name of a field");
            }
            self.advance(end);
            if !self.take('.') {
                let length = from.len() - self.rest.len();
                return Ok(from.get(..length).unwrap_or_default());
            }
        }
    }

    /// Text of one segment or of the verb: at least one of the characters that RFC 3986 has for a
    /// segment and this grammar does not use, or of any that would have to be percent-encoded.
    fn literal(&mut self) -> Parsed<String> {
        let special = |c: char| matches!(c, '/' | ':' | '{' | '}' | '*');
        let end = self.rest.find(special).unwrap_or(self.rest.len());
        let text = self.rest.get(..end).unwrap_or_default();
        if let Some(at) = text.find(['?', '#', '=']) {
            self.advance(at);
            return Err("this character cannot be in a path: percent-encode it");
        }
        if text.is_empty() {
            return Err("expected `*`, `**`, a variable or text");
        }
        let Ok(decoded) = percent_decode_str(text).decode_utf8() else {
            return Err("its percent-encoding is not UTF-8");
        };
        self.advance(end);
        if self.rest.starts_with(['*', '{']) {
            return Err("a wildcard or a variable is a whole segment");
        }
        Ok(decoded.into_owned())
    }

    fn take(&mut self, c: char) -> bool {
        let after = self.rest.strip_prefix(c);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn take_str(&mut self, text: &str) -> bool {
        let after = self.rest.strip_prefix(text);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn advance(&mut self, bytes: usize) {
        debug_assert!(self.text.ends_with(self.rest), "the rest is the end of the text");
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A variable: its field, its segments, whether it is single.
    type Known = (String, Range<usize>, bool);

    fn parts(text: &str) -> (String, Vec<Known>, Option<String>) {
        let template = Template::parse(text).unwrap();
        assert_eq!(template.to_string(), text);
        let shape = template.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => format!("/{text}"),
            Segment::One => "/*".to_owned(),
            Segment::Rest => "/**".to_owned(),
        });
        let shape = shape.collect();
        let variables = template.variables.into_iter().map(|v| (v.field, v.segments, v.single));
        (shape, variables.collect(), template.verb)
    }

    fn variable(name: &str, segments: Range<usize>, single: bool) -> Known {
        (name.to_owned(), segments, single)
    }

    #[test]
    fn literals_wildcards_and_a_verb() {
        assert_eq!(parts("/v1/messages"), ("/v1/messages".into(), vec![], None));
        assert_eq!(parts("/v1/*/b/**"), ("/v1/*/b/**".into(), vec![], None));
        assert_eq!(parts("/**:go"), ("/**".into(), vec![], Some("go".into())));
        assert_eq!(parts("/a%20b/c d"), ("/a b/c d".into(), vec![], None));
    }

    #[test]
    fn a_variable_without_a_template_is_one_segment() {
        let one = ("/v1/*".into(), vec![variable("name", 1..2, true)], None);
        assert_eq!(parts("/v1/{name}"), one);
        assert_eq!(parts("/v1/{name=*}"), one);
        let (_, literal, _) = parts("/{name=me}");
        assert_eq!(literal, [variable("name", 0..1, true)]);
    }

    #[test]
    fn variables_of_several_segments() {
        let (shape, variables, verb) = parts("/v1/{name=shelves/*/books/*}/{a.b_c}:undo");
        assert_eq!(shape, "/v1/shelves/*/books/*/*");
        assert_eq!(variables, [variable("name", 1..5, false), variable("a.b_c", 5..6, true)]);
        assert_eq!(verb.as_deref(), Some("undo"));
        let (shape, variables, _) = parts("/v1/{name=files/**}");
        assert_eq!(
            (shape.as_str(), variables),
            ("/v1/files/**", vec![variable("name", 1..3, false)])
        );
        assert_eq!(parts("/{all=**}").1, [variable("all", 0..1, false)]);
    }

    #[test]
    fn what_the_grammar_does_not_have_is_refused_where_it_is() {
        for (text, at) in [
            ("", 1),
            ("v1", 1),
            ("/", 2),
            ("//a", 2),
            ("/a/", 4),
            ("/a//b", 4),
            ("/a/**/b", 7),
            ("/a/**/{b}", 7),
            ("/{a=**}/{b}", 9),
            ("/{a=**/b}", 8),
            ("/{a}{b}", 5),
            ("/a{b}", 3),
            ("/a*", 3),
            ("/***", 4),
            ("/{a={b}}", 5),
            ("/{a", 4),
            ("/{a=}", 5),
            ("/{}", 3),
            ("/{1a}", 3),
            ("/{a.}", 5),
            ("/{a-b}", 4),
            ("/{a}/{a}", 8),
            ("/a}", 3),
            ("/a:", 4),
            ("/a:b:c", 5),
            ("/a:b/c", 5),
            ("/a:*", 4),
            ("/a?b", 3),
            ("/a#b", 3),
            ("/%ff", 2),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert_eq!(error.at, at, "{error}");
        }
    }
}
