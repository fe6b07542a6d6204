# What CI runs, for the machine at hand. `just` alone lists it.

set shell := ["bash", "-euo", "pipefail", "-c"]

_default:
    @just --list --unsorted

# Everything that CI runs, in its order.
ci: test lint peers compose

# Every test of Rust.
test:
    cargo test --workspace

# Format, lints, documentation, and what dependencies may be.
lint:
    cargo fmt --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo clippy --package fuzz --bins --features targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --lib --no-deps
    cargo deny --workspace check licenses bans sources

# The services, driven by grpcurl, grpcio and buf; arguments go to pytest.
peers *args:
    tests/peers/run {{ args }}

# The image and docker-compose.yml; needs Docker.
compose:
    tests/peers/run --compose -k test_compose

# Side by side with peers, on this machine; prints ratios.
bench *args:
    cargo run --release --package bench -- {{ args }}

# A fuzz target, as long as it is let; needs a nightly toolchain and `cargo install cargo-fuzz`.
fuzz target *args:
    cargo +nightly fuzz run --features libfuzzer {{ target }} {{ args }}
