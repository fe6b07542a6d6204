//! The shared contracts: every `.proto` file under `proto/`, compiled by the build script.
//!
//! A package is a module of the same path: `hello.v1` is [`hello::v1`], and a new
//! `proto/orders/v1/orders.proto` is `orders::v1` after the next build. Each module holds the
//! package's messages, and for a service `FooService` the modules `foo_service_client` and
//! `foo_service_server`, whose documentation is the comments of the contract.

// All but two items are generated, and generated code answers to its generator's lints.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    rustdoc::all
)]

/// Every contract, and every file that one imports, as an encoded
/// `google.protobuf.FileDescriptorSet`: imports before the files that import them, with comments
/// and with custom options, which a decoder that does not know them must keep as unknown fields.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));

/// The files of examples beside the contracts, by their paths below `proto/`, and their texts.
/// `examples::Examples::read` takes them as they are.
pub const EXAMPLES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/examples.rs"));

include!(concat!(env!("OUT_DIR"), "/contracts.rs"));

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;

    #[test]
    fn the_descriptor_set_has_imports_first_and_comments() {
        let set = FileDescriptorSet::decode(super::FILE_DESCRIPTOR_SET).unwrap();
        let position = |name| set.file.iter().position(|file| file.name() == name);
        let hello = position("hello/v1/hello.proto").unwrap();
        assert!(position("google/protobuf/duration.proto").unwrap() < hello);

        // The path of the first method (2) of the first service (6).
        let locations = &set.file[hello].source_code_info.as_ref().unwrap().location;
        let say_hello = locations.iter().find(|location| location.path == [6, 0, 2, 0]);
        let comments = say_hello.unwrap().leading_comments();
        assert_eq!(comments.trim(), "Greets one person, once.");
    }
}
