//! Results as JUnit's XML, which CI systems read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Outcome, Verdict};

/// The results, a suite for each service.
pub(super) fn xml(outcomes: &[Outcome<'_>]) -> String {
    let mut suites: BTreeMap<String, Vec<&Outcome<'_>>> = BTreeMap::new();
    for outcome in outcomes {
        let service = outcome.example.method.parent_service().full_name().to_owned();
        suites.entry(service).or_default().push(outcome);
    }
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for (service, outcomes) in &suites {
        let failed = outcomes.iter().filter(|o| matches!(o.verdict, Verdict::Failed(_))).count();
        let skipped = outcomes.iter().filter(|o| matches!(o.verdict, Verdict::Skipped(_))).count();
        let time: f64 = outcomes.iter().map(|outcome| outcome.time.as_secs_f64()).sum();
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\" time=\"{time:.6}\">",
            escaped(service),
            outcomes.len(),
        );
        for outcome in outcomes {
            case(&mut xml, service, outcome);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn case(xml: &mut String, service: &str, outcome: &Outcome<'_>) {
    let example = outcome.example;
    let _ = write!(
        xml,
        "    <testcase classname=\"{}.{}\" name=\"{}\" file=\"{}\" line=\"{}\" time=\"{:.6}\"",
        escaped(service),
        escaped(example.method.name()),
        escaped(&example.name),
        escaped(&example.file),
        example.place.line,
        outcome.time.as_secs_f64(),
    );
    match &outcome.verdict {
        Verdict::Passed => xml.push_str("/>\n"),
        Verdict::Skipped(why) => {
            let _ =
                write!(xml, ">\n      <skipped message=\"{}\"/>\n    </testcase>\n", escaped(why));
        }
        Verdict::Failed(mismatches) => {
            let places: Vec<_> = mismatches.iter().map(|m| m.place.as_str()).collect();
            let _ = writeln!(xml, ">\n      <failure message=\"{}\">", escaped(&places.join(", ")));
            for mismatch in mismatches {
                let text = |text: &Option<String>| escaped(text.as_deref().unwrap_or("nothing"));
                let (expected, actual) = (text(&mismatch.expected), text(&mismatch.actual));
                let _ = writeln!(xml, "{}\n- {expected}\n+ {actual}", escaped(&mismatch.place));
            }
            xml.push_str("      </failure>\n    </testcase>\n");
        }
    }
}

/// Text as XML 1.0 takes it: what it has no way to write is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            c => escaped.push(c),
        }
    }
    escaped
}
