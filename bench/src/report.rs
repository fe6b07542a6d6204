//! What was measured, as a table and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

/// The figures of one run of one side: what they are, with their unit, and the value.
pub(crate) type Sample = Vec<(String, f64)>;

/// The pairs of runs of one scenario: the peer's, then ours.
pub(crate) struct Measured {
    pub(crate) scenario: &'static str,
    pub(crate) pairs: Vec<(Sample, Sample)>,
}

/// One figure of a scenario over all rounds.
struct Row<'a> {
    figure: &'a str,
    peer: Vec<f64>,
    ours: Vec<f64>,
    /// Ours to the peer's, of each pair.
    ratios: Vec<f64>,
}

impl Measured {
    fn rows(&self) -> Vec<Row<'_>> {
        let mut rows: Vec<Row> = Vec::new();
        for (peer, ours) in &self.pairs {
            for ((figure, peer), (_, ours)) in peer.iter().zip(ours) {
                let known = rows.iter().position(|row| row.figure == figure);
                let at = known.unwrap_or_else(|| {
                    rows.push(Row { figure, peer: vec![], ours: vec![], ratios: vec![] });
                    rows.len() - 1
                });
                if let Some(row) = rows.get_mut(at) {
                    row.peer.push(*peer);
                    row.ours.push(*ours);
                    row.ratios.push(ours / peer);
                }
            }
        }
        rows
    }
}

/// A Markdown table that is also legible as text: medians, and the ratio with its range.
pub(crate) fn table(measured: &[Measured]) -> String {
    let mut cells: Vec<[String; 6]> = vec![
        ["", "", "peer", "Ahoy", "Ahoy ÷ peer", "least–most"].map(str::to_owned),
        ["-", "-", "-:", "-:", "-:", "-:"].map(str::to_owned),
    ];
    for scenario in measured {
        for (index, row) in scenario.rows().into_iter().enumerate() {
            let name = if index == 0 { scenario.scenario } else { "" };
            let (least, most) = range(&row.ratios);
            cells.push([
                name.to_owned(),
                row.figure.to_owned(),
                figure(median(&row.peer)),
                figure(median(&row.ours)),
                format!("{:.2}", median(&row.ratios)),
                format!("{least:.2}–{most:.2}"),
            ]);
        }
    }
    let mut widths = [0; 6];
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut table = String::new();
    for row in &cells {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let _ = match (cell.as_str(), column) {
                ("-", _) => write!(table, "|{:-<1$}", "", width + 2),
                ("-:", _) => write!(table, "|{:->1$}", ":", width + 2),
                (cell, 0 | 1) => write!(table, "| {cell:width$} "),
                (cell, _) => write!(table, "| {cell:>width$} "),
            };
        }
        table.push_str("|\n");
    }
    table
}

/// Everything, each run apart.
pub(crate) fn json(machine: &[(&'static str, String)], measured: &[Measured]) -> Value {
    let machine: serde_json::Map<_, _> =
        machine.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let scenarios: Vec<_> = measured
        .iter()
        .map(|scenario| {
            let figures: Vec<_> = scenario
                .rows()
                .into_iter()
                .map(|row| {
                    json!({
                        "figure": row.figure,
                        "peer": row.peer,
                        "ahoy": row.ours,
                        "ratios": row.ratios,
                    })
                })
                .collect();
            json!({ "scenario": scenario.scenario, "figures": figures })
        })
        .collect();
    json!({ "machine": machine, "scenarios": scenarios })
}

/// Three digits that count, or a few more.
fn figure(value: f64) -> String {
    match value {
        _ if value < 10.0 => format!("{value:.2}"),
        _ if value < 100.0 => format!("{value:.1}"),
        _ if value < 10_000.0 => format!("{value:.0}"),
        _ if value < 1e6 => format!("{:.1}k", value / 1e3),
        _ => format!("{:.2}M", value / 1e6),
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    f64::midpoint(at(sorted.len().saturating_sub(1) / 2), at(sorted.len() / 2))
}

fn range(values: &[f64]) -> (f64, f64) {
    (
        values.iter().copied().fold(f64::INFINITY, f64::min),
        values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_table_has_medians_and_the_range_of_the_ratios() {
        let sample = |value| vec![("CPU µs/call".to_owned(), value)];
        let pair = |peer, ours| (sample(peer), sample(ours));
        let pairs = vec![pair(10.0, 5.0), pair(12.0, 3.0), pair(20.0, 8.0)];
        let table = table(&[Measured { scenario: "unary", pairs }]);
        let expected = "\
|       |             | peer | Ahoy | Ahoy ÷ peer | least–most |
|-------|-------------|-----:|-----:|------------:|-----------:|
| unary | CPU µs/call | 12.0 | 5.00 |        0.40 |  0.25–0.50 |
";
        assert_eq!(table, expected);
    }

    #[test]
    fn figures_have_three_digits_that_count() {
        let figures = [3.456, 34.56, 345.6, 34_560.0, 3_456_000.0].map(figure);
        assert_eq!(figures, ["3.46", "34.6", "346", "34.6k", "3.46M"]);
    }
}
