//! What a person sees of a test.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{Outcome, Verdict};

/// Writes outcomes as they come.
pub(super) struct Report<W> {
    out: W,
    colour: bool,
    quiet: bool,
}

const RED: &str = "31";
const GREEN: &str = "32";
const FAINT: &str = "2";

impl<W: Write> Report<W> {
    pub(super) fn new(out: W, colour: bool, quiet: bool) -> Self {
        Self { out, colour, quiet }
    }

    fn styled(&self, style: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn tell(&mut self, outcome: &Outcome<'_>) -> io::Result<()> {
        let example = outcome.example;
        let method = example.path();
        let title = format!("{} {}", method.trim_start_matches('/'), example.name);
        match &outcome.verdict {
            Verdict::Passed if self.quiet => Ok(()),
            // Told together, at the end.
            Verdict::Skipped(_) => Ok(()),
            Verdict::Passed => {
                let time = format!("({:.1} ms)", outcome.time.as_secs_f64() * 1e3);
                let (mark, time) = (self.styled(GREEN, "pass"), self.styled(FAINT, &time));
                writeln!(self.out, "{mark} {title} {time}")
            }
            Verdict::Failed(mismatches) => {
                let place = format!("{}:{}", example.file, example.place.line);
                let (mark, place) = (self.styled(RED, "FAIL"), self.styled(FAINT, &place));
                writeln!(self.out, "{mark} {title} {place}")?;
                for mismatch in mismatches {
                    writeln!(self.out, "     {}", mismatch.place)?;
                    let nothing = || "nothing".to_owned();
                    let expected = mismatch.expected.clone().unwrap_or_else(nothing);
                    let actual = mismatch.actual.clone().unwrap_or_else(nothing);
                    let expected = self.styled(GREEN, &format!("- {expected}"));
                    let actual = self.styled(RED, &format!("+ {actual}"));
                    writeln!(self.out, "       {expected}\n       {actual}")?;
                }
                Ok(())
            }
        }
    }

    pub(super) fn sum(&mut self, outcomes: &[Outcome<'_>]) -> io::Result<()> {
        let count = |is: fn(&Verdict) -> bool| outcomes.iter().filter(|o| is(&o.verdict)).count();
        let passed = count(|verdict| matches!(verdict, Verdict::Passed));
        let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
        let skipped = count(|verdict| matches!(verdict, Verdict::Skipped(_)));
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for outcome in outcomes {
            if let Verdict::Skipped(why) = &outcome.verdict {
                *reasons.entry(why).or_default() += 1;
            }
        }
        for (why, count) in reasons {
            let line = self.styled(FAINT, &format!("skip {count} examples: {why}"));
            writeln!(self.out, "{line}")?;
        }
        let style = if failed == 0 { GREEN } else { RED };
        let line =
            self.styled(style, &format!("{passed} passed, {failed} failed, {skipped} skipped"));
        writeln!(self.out, "{line}")?;
        if failed > 0 {
            let legend = "a line with - is what the example says, one with + is what came";
            writeln!(self.out, "{}", self.styled(FAINT, legend))?;
        }
        self.out.flush()
    }
}
