#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod operations;
mod schemas;

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

use super::*;

const PROTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/protocol/openapi/tests");

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let mut compiler = protox::Compiler::new([HERE, PROTO]).unwrap();
    compiler.include_imports(true).include_source_info(true).open_file("library.proto").unwrap();
    DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap()
});

fn document_with(options: &Options<'_>) -> Value {
    let documents = documents(POOL.services());
    document("library", &documents["library"], options).unwrap()
}

fn library() -> Value {
    document_with(&Options::new(&Examples::default()))
}

/// The operation that answers to this method of a path.
fn operation(path: &str, method: &str) -> Value {
    let mut document = library();
    let found = document["paths"][path][method].take();
    assert!(found.is_object(), "{method} {path} is not in {:#}", document["paths"]);
    found
}
