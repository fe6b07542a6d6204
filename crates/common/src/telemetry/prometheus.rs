//! Prometheus' text format, version 0.0.4, with the names that OpenTelemetry's rules for
//! Prometheus give: dots become underscores, the unit is appended, counters end in `_total`.

use std::fmt::Write;

use super::metrics::snapshot::{Family, Kind, Labels, Value};

/// The `content-type` of what [`super::Metrics::render`] gives.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn render(families: &[Family]) -> String {
    let mut out = String::with_capacity(16 * 1024);
    for family in families {
        // Writing to a string cannot fail.
        let _ = write(&mut out, family);
    }
    out
}

fn write(out: &mut String, family: &Family) -> std::fmt::Result {
    let name = name(family);
    let kind = match family.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let help = family.help.replace('\\', r"\\").replace('\n', r"\n");
    writeln!(out, "# HELP {name} {help}")?;
    writeln!(out, "# TYPE {name} {kind}")?;
    for series in &family.series {
        let labels = labels(&series.labels);
        match &series.value {
            Value::Number(number) if labels.is_empty() => writeln!(out, "{name} {number}")?,
            Value::Number(number) => writeln!(out, "{name}{{{labels}}} {number}")?,
            Value::Histogram { bounds, buckets, sum } => {
                let comma = if labels.is_empty() { "" } else { "," };
                let mut count = 0;
                for (index, bucket) in buckets.iter().enumerate() {
                    count += bucket;
                    write!(out, "{name}_bucket{{{labels}{comma}le=\"")?;
                    match bounds.get(index) {
                        Some(bound) => write!(out, "{bound}")?,
                        None => write!(out, "+Inf")?,
                    }
                    writeln!(out, "\"}} {count}")?;
                }
                let braced = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
                writeln!(out, "{name}_sum{braced} {sum}")?;
                writeln!(out, "{name}_count{braced} {count}")?;
            }
        }
    }
    Ok(())
}

fn name(family: &Family) -> String {
    let mut name = plain(&family.name);
    let unit = match &*family.unit {
        "s" => "_seconds",
        "By" => "_bytes",
        "1" if family.kind == Kind::Gauge => "_ratio",
        // A unit in braces is an annotation.
        _ => "",
    };
    name.push_str(unit);
    if family.kind == Kind::Counter && !name.ends_with("_total") {
        name.push_str("_total");
    }
    name
}

fn labels(labels: &Labels) -> String {
    let mut out = String::new();
    for (key, value) in labels {
        if !out.is_empty() {
            out.push(',');
        }
        let value = value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
        let _ = write!(out, "{}=\"{value}\"", plain(key));
    }
    out
}

fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use std::time::Duration;

    use tonic::Code;

    use super::super::metrics::{Metrics, Outcome};

    fn outcome(code: Code) -> Outcome {
        Outcome {
            code,
            duration: Duration::from_micros(1_500),
            sent_bytes: 2_000,
            received_bytes: 0,
        }
    }

    #[test]
    fn the_metrics_of_a_server_have_their_names_labels_and_bounds() {
        let metrics = Metrics::new();
        let calls = metrics.server_calls(["/hello.v1.HelloService/SayHello"]);
        let method = calls.find("/hello.v1.HelloService/SayHello");
        calls.started(method);
        calls.finished(method, &outcome(Code::Ok));
        calls.finished(calls.find("/nobody/knows"), &outcome(Code::Unimplemented));
        let text = metrics.render();
        for line in [
            "# TYPE grpc_server_call_started_total counter",
            r#"grpc_server_call_started_total{grpc_method="hello.v1.HelloService/SayHello"} 1"#,
            "# TYPE grpc_server_call_duration_seconds histogram",
            r#"grpc_server_call_duration_seconds_bucket{grpc_method="hello.v1.HelloService/SayHello",grpc_status="OK",le="0.00001"} 0"#,
            r#"grpc_server_call_duration_seconds_bucket{grpc_method="hello.v1.HelloService/SayHello",grpc_status="OK",le="0.001"} 0"#,
            r#"grpc_server_call_duration_seconds_bucket{grpc_method="hello.v1.HelloService/SayHello",grpc_status="OK",le="0.002"} 1"#,
            r#"grpc_server_call_duration_seconds_bucket{grpc_method="hello.v1.HelloService/SayHello",grpc_status="OK",le="100"} 1"#,
            r#"grpc_server_call_duration_seconds_bucket{grpc_method="hello.v1.HelloService/SayHello",grpc_status="OK",le="+Inf"} 1"#,
            r#"grpc_server_call_duration_seconds_sum{grpc_method="hello.v1.HelloService/SayHello",grpc_status="OK"} 0.0015"#,
            r#"grpc_server_call_duration_seconds_count{grpc_method="other",grpc_status="UNIMPLEMENTED"} 1"#,
            r#"grpc_server_call_sent_total_compressed_message_size_bytes_bucket{grpc_method="hello.v1.HelloService/SayHello",grpc_status="OK",le="1024"} 0"#,
            r#"grpc_server_call_sent_total_compressed_message_size_bytes_bucket{grpc_method="hello.v1.HelloService/SayHello",grpc_status="OK",le="2048"} 1"#,
            r#"grpc_server_call_rcvd_total_compressed_message_size_bytes_bucket{grpc_method="hello.v1.HelloService/SayHello",grpc_status="OK",le="0"} 1"#,
            r#"grpc_server_call_rcvd_total_compressed_message_size_bytes_bucket{grpc_method="hello.v1.HelloService/SayHello",grpc_status="OK",le="4294967296"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
        }
        assert!(!text.contains("grpc_client"), "nothing was called");
    }

    #[test]
    fn the_metrics_of_a_client_have_a_target() {
        let metrics = Metrics::new();
        let calls = metrics.client_calls("dns:///greeter:50051", []);
        let method = calls.find("/hello.v1.HelloService/SayHello", true);
        calls.started(method);
        calls.finished(method, &outcome(Code::Unavailable));
        let text = metrics.render();
        let labels =
            r#"grpc_method="hello.v1.HelloService/SayHello",grpc_target="dns:///greeter:50051""#;
        for line in [
            format!("grpc_client_attempt_started_total{{{labels}}} 1"),
            format!(
                "grpc_client_attempt_duration_seconds_count{{{labels},grpc_status=\"UNAVAILABLE\"}} 1"
            ),
            format!(
                "grpc_client_call_duration_seconds_count{{{labels},grpc_status=\"UNAVAILABLE\"}} 1"
            ),
            format!(
                "grpc_client_attempt_sent_total_compressed_message_size_bytes_sum{{{labels},grpc_status=\"UNAVAILABLE\"}} 2000"
            ),
            format!(
                "grpc_client_attempt_rcvd_total_compressed_message_size_bytes_sum{{{labels},grpc_status=\"UNAVAILABLE\"}} 0"
            ),
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
        }
    }

    #[test]
    fn own_metrics_stand_in_one_group_a_name_and_labels_are_escaped() {
        let metrics = Metrics::new();
        let accepted = |listener: &str| {
            metrics.counter(
                "ahoy.server.accepted",
                "{connection}",
                "Connections accepted.",
                &[("listener", listener)],
            )
        };
        accepted("a").add(2);
        accepted("\"b\\\n").add(3);
        metrics.gauge("ahoy.server.connections", "{connection}", "Open.", &[]).add(4);
        metrics.gauge_fn("ahoy.pool.free", "By", "Free.", &[], || 0.5);
        let text = metrics.render();
        for lines in [
            "# HELP ahoy_server_accepted_total Connections accepted.\n\
             # TYPE ahoy_server_accepted_total counter\n\
             ahoy_server_accepted_total{listener=\"a\"} 2\n\
             ahoy_server_accepted_total{listener=\"\\\"b\\\\\\n\"} 3\n",
            "# TYPE ahoy_server_connections gauge\nahoy_server_connections 4\n",
            "ahoy_pool_free_bytes 0.5\n",
        ] {
            assert!(text.contains(lines), "no {lines} in\n{text}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_tells_of_itself() {
        let text = Metrics::new().render();
        for name in [
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_open_fds",
            "process_start_time_seconds",
        ] {
            let sample = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
            assert!(sample.unwrap().parse::<f64>().unwrap() >= 0.0, "{name}");
        }
    }
}
