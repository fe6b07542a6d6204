//! Random messages and random damage, from a seed that a failure names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use fastrand::Rng;
use fuzz::formats::{
    MESSAGES, POOL, check_wire, generate, json_to_wire, oracle, oracle_json, same,
};
use prost::Message;

/// Calls `property` with a new seed each time. `SEED` repeats the one that failed.
fn for_all(cases: u64, property: impl Fn(&mut Rng) + std::panic::RefUnwindSafe) {
    let seeds = match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => {
            let base = fastrand::u64(..);
            (0..cases).map(|n| base.wrapping_add(n)).collect()
        }
    };
    for seed in seeds {
        let run = std::panic::catch_unwind(|| property(&mut Rng::with_seed(seed)));
        assert!(run.is_ok(), "SEED={seed} repeats it");
    }
}

fn random(name: &str, random: &mut Rng) -> prost_reflect::DynamicMessage {
    generate(&POOL.get_message_by_name(name).unwrap(), 4, random)
}

#[test]
fn messages_are_written_and_read_as_the_oracle_does() {
    for_all(150, |rng| {
        for (index, name) in MESSAGES.iter().enumerate() {
            let message = random(name, rng);
            let expected = oracle_json(&message).unwrap();
            let json = check_wire(name, &message.encode_to_vec()).expect("it is valid");
            same(&serde_json::from_str(&json).unwrap(), &expected);
            json_to_wire(&[&[index as u8], expected.to_string().as_bytes()].concat());
        }
    });
}

#[test]
fn messages_that_are_appended_merge_as_the_oracle_merges_them() {
    for_all(150, |rng| {
        for name in MESSAGES {
            let parts = [random(name, rng), random(name, rng), random(name, rng)];
            let wire: Vec<u8> = parts.iter().flat_map(|part| part.encode_to_vec()).collect();
            // What comes of two durations may be none that JSON has.
            let Some(json) = check_wire(name, &wire) else { continue };
            let expected = oracle_json(&oracle(name, &wire).unwrap()).unwrap();
            same(&serde_json::from_str(&json).unwrap(), &expected);
        }
    });
}

#[test]
fn damaged_messages_are_refused_or_mean_something() {
    for_all(500, |rng| {
        for name in MESSAGES {
            let mut wire = random(name, rng).encode_to_vec();
            damage(&mut wire, rng);
            check_wire(name, &wire);
        }
    });
}

#[test]
fn damaged_json_is_refused_or_means_something() {
    for_all(500, |rng| {
        for (index, name) in MESSAGES.iter().enumerate() {
            let json = oracle_json(&random(name, rng)).unwrap();
            let mut json = json.to_string().into_bytes();
            damage(&mut json, rng);
            json_to_wire(&[&[index as u8], &*json].concat());
        }
    });
}

/// A few bytes other, gone, or twice.
fn damage(bytes: &mut Vec<u8>, random: &mut Rng) {
    for _ in 0..random.usize(1..4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.usize(..bytes.len());
        let end = (at + random.usize(1..12)).min(bytes.len());
        match random.u8(..5) {
            0 => bytes[at] = random.u8(..),
            1 => bytes[at] ^= 1 << random.u8(..8),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let copy = bytes[at..end].to_vec();
                let to = random.usize(..=bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => bytes.truncate(at),
        }
    }
}
