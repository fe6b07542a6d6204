# The image of the one binary, `ahoy`. Plain instructions only, so that every builder reads it.
#   docker build -t ahoy .                            the release that people run
#   docker build -t ahoy --build-arg PROFILE=quick .  without the time that its linking takes

FROM rust:1-slim-bookworm AS manifests
WORKDIR /build
COPY . .
# Manifests beside empty sources: what is left changes only when a dependency does.
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock -delete \
 && find . -type d -empty -delete \
 && for manifest in $(find . -name Cargo.toml); do \
      src=$(dirname "$manifest")/src && mkdir -p "$src" \
      && echo '//! Empty.' >"$src/lib.rs" && echo 'fn main() {}' >"$src/main.rs" || exit; \
    done \
 && rm crates/examples/src/main.rs \
 && mkdir -p proto tests/it && touch proto/lib.rs tests/it/main.rs && echo 'fn main() {}' >build.rs

FROM rust:1-slim-bookworm AS builder
ARG PROFILE=release
WORKDIR /build
COPY --from=manifests /build .
RUN cargo build --locked --profile "$PROFILE" --package ahoy-cli && rm -r build.rs crates proto src
COPY . .
# Cargo goes by times, and the empty sources are newer than the real ones.
RUN find build.rs proto crates -type f -exec touch {} + \
 && cargo build --locked --profile "$PROFILE" --package ahoy-cli \
 && cp "target/$PROFILE/ahoy" /ahoy

FROM debian:bookworm-slim
RUN groupadd --system --gid 10001 ahoy \
 && useradd --system --uid 10001 --gid ahoy --no-create-home --shell /usr/sbin/nologin ahoy
COPY --from=builder /ahoy /usr/local/bin/ahoy
USER 10001:10001
EXPOSE 50051 50052
STOPSIGNAL SIGTERM
# For the greeter; whoever runs another command says where that one listens.
HEALTHCHECK --interval=5s --timeout=2s --start-period=5s --retries=3 \
  CMD ["ahoy", "health", "127.0.0.1:50051"]
ENTRYPOINT ["ahoy"]
CMD ["greeter"]
