//! Compiles gRPC's interop service: stubs, and a descriptor set for reflection.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(["grpc/testing/test.proto"])?;

    // protox's own encoder keeps options that extend descriptor.proto; prost's would drop them.
    let set = PathBuf::from(env::var("OUT_DIR")?).join("grpc_testing.bin");
    fs::write(set, compiler.encode_file_descriptor_set())?;

    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
