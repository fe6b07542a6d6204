//! Transcoding beside `prost-reflect`, in one run: `cargo bench -p formats`.
//!
//! Each figure is the median of rounds in which both take turns, so that what else the machine does
//! falls on both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use formats::Schema;
use formats::json::{self, ReadOptions, WriteOptions};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

const ROUNDS: usize = 15;
/// How long one side is measured in a round.
const TURN: Duration = Duration::from_millis(40);

fn main() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proto");
    let files = protox::compile(["shop.proto"], [folder]).unwrap();
    let pool = DescriptorPool::from_file_descriptor_set(files).unwrap();
    let schema = Schema::new(&pool);

    println!("| message | JSON bytes | wire bytes | direction | formats | prost-reflect | times |");
    println!("|-|-|-|-|-|-|-|");
    for (label, name, json) in [
        ("small", "shop.v1.Item", r#"{"name":"world"}"#.to_owned()),
        ("medium", "shop.v1.Order", order(5)),
        ("large", "shop.v1.Order", order(1000)),
    ] {
        let message = schema.message(name).unwrap();
        let descriptor = pool.get_message_by_name(name).unwrap();
        let mut wire = Vec::new();
        json::to_wire(&message, json.as_bytes(), &ReadOptions::default(), &mut wire).unwrap();

        let to_wire = || {
            let mut out = Vec::new();
            let options = ReadOptions::default();
            json::to_wire(&message, black_box(json.as_bytes()), &options, &mut out).unwrap();
            out
        };
        let from_wire = || {
            let mut out = Vec::new();
            json::from_wire(&message, black_box(&wire), &WriteOptions::default(), &mut out)
                .unwrap();
            out
        };
        let reflect_to = || reflect_to_wire(&descriptor, black_box(json.as_bytes()));
        let reflect_from = || reflect_from_wire(&descriptor, black_box(&wire));
        // Both have to mean the same, or the figures mean nothing.
        let written = DynamicMessage::decode(descriptor.clone(), &*to_wire()).unwrap();
        let read = DynamicMessage::decode(descriptor.clone(), &*reflect_to()).unwrap();
        assert!(written == read, "{label}: read otherwise than by prost-reflect");
        let value = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).unwrap();
        let same = value(&from_wire()) == value(&reflect_from());
        assert!(same, "{label}: written otherwise than by prost-reflect");

        let row = |direction: &str, (ours, theirs): (f64, f64)| {
            println!(
                "| {label} | {} | {} | {direction} | {} | {} | {:.1} |",
                json.len(),
                wire.len(),
                nanos(ours),
                nanos(theirs),
                theirs / ours
            );
        };
        row("JSON to wire", measure(to_wire, reflect_to));
        row("wire to JSON", measure(from_wire, reflect_from));
    }
}

fn reflect_to_wire(descriptor: &MessageDescriptor, json: &[u8]) -> Vec<u8> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let message = DynamicMessage::deserialize(descriptor.clone(), &mut reader).unwrap();
    reader.end().unwrap();
    message.encode_to_vec()
}

fn reflect_from_wire(descriptor: &MessageDescriptor, wire: &[u8]) -> Vec<u8> {
    serde_json::to_vec(&DynamicMessage::decode(descriptor.clone(), wire).unwrap()).unwrap()
}

/// Nanoseconds of a call of each.
fn measure(ours: impl Fn() -> Vec<u8>, theirs: impl Fn() -> Vec<u8>) -> (f64, f64) {
    let mut figures = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        figures[0].push(turn(&ours));
        figures[1].push(turn(&theirs));
    }
    let [ours, theirs] = figures.map(|mut figures| {
        figures.sort_by(f64::total_cmp);
        figures[ROUNDS / 2]
    });
    (ours, theirs)
}

fn turn(call: impl Fn() -> Vec<u8>) -> f64 {
    let began = Instant::now();
    let mut calls = 0_u32;
    while began.elapsed() < TURN {
        // The clock is not read for each, or it would be what is measured.
        for _ in 0..16 {
            black_box(call());
        }
        calls += 16;
    }
    began.elapsed().as_nanos() as f64 / f64::from(calls)
}

fn nanos(nanos: f64) -> String {
    if nanos < 10_000.0 { format!("{nanos:.0} ns") } else { format!("{:.1} µs", nanos / 1000.0) }
}

/// An order of so many items, with what people put into one.
fn order(items: usize) -> String {
    let item = |n: usize| {
        format!(
            r#"{{"name":"Kettle no. {n}","quantity":{},"price":{},"tags":["kitchen","größe {n}"],"part":{{"name":"lid","price":{}.5}}}}"#,
            n % 7 + 1,
            (n * 1237 % 100_000 * 10 + 1) as f64 / 1000.0,
            n % 50
        )
    };
    let list: Vec<_> = (0..items).map(item).collect();
    let gifts: Vec<_> = (0..items / 4 + 1).map(|n| format!(r#""guest {n}":{}"#, item(n))).collect();
    format!(
        r#"{{"id":"b7e23ec2-9af5-4d4e-8a1f","items":[{}],"gifts":{{{}}},"size":"SIZE_LARGE","cash":4200,"note":"Please ring \"twice\".\nThanks","main":{}}}"#,
        list.join(","),
        gifts.join(","),
        item(99)
    )
}
