//! What the operating system tells about this process, read at each scrape. Names are those of
//! Prometheus' own client libraries. Empty where there is no `/proc`.

use std::fs;

use super::snapshot::{Family, Kind, Series, Value};

/// Linux counts in hundredths of a second towards programs, whatever the kernel does inside.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) fn snapshot(families: &mut Vec<Family>) {
    let mut push = |name: &'static str, help: &'static str, kind, value: Option<f64>| {
        let Some(value) = value else { return };
        let series = vec![Series { labels: Vec::new(), value: Value::Number(value) }];
        families.push(Family {
            name: name.into(),
            unit: "".into(),
            help: help.into(),
            kind,
            series,
        });
    };
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let stat = Stat::parse(&stat);
    let seconds = stat.map(|stat| stat.cpu_ticks / TICKS_PER_SECOND);
    let cpu = "User and system CPU time spent, in seconds.";
    push("process_cpu_seconds_total", cpu, Kind::Counter, seconds);
    let memory = "Resident memory, in bytes.";
    push("process_resident_memory_bytes", memory, Kind::Gauge, resident_bytes());
    let descriptors = fs::read_dir("/proc/self/fd").ok();
    // The one that reads the folder is not counted.
    let open = descriptors.map(|list| list.count().saturating_sub(1) as f64);
    push("process_open_fds", "Open file descriptors.", Kind::Gauge, open);
    let started =
        boot_time().zip(stat).map(|(boot, stat)| boot + stat.start_ticks / TICKS_PER_SECOND);
    let help = "When the process started, in seconds since 1970.";
    push("process_start_time_seconds", help, Kind::Gauge, started);
}

#[derive(Clone, Copy)]
struct Stat {
    cpu_ticks: f64,
    start_ticks: f64,
}

impl Stat {
    /// proc_pid_stat(5). The program's name, field 2, may hold anything up to its last `)`.
    fn parse(text: &str) -> Option<Self> {
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Self { cpu_ticks: field(14)? + field(15)?, start_ticks: field(22)? })
    }
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024.0)
}

fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let text = "7 (a) b) (c) S 1 7 7 0 -1 0 0 0 0 0 150 50 0 0 20 0 4 0 12345 9 9";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.cpu_ticks, stat.start_ticks), (200.0, 12345.0));
    }
}
