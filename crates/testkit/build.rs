//! Compiles gRPC's interop service and one with rules: stubs, and descriptor sets for reflection.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=../../proto/buf");
    let mut compiler = protox::Compiler::new(["proto", "../../proto"])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(["grpc/testing/test.proto", "testing/rules/v1/rules.proto"])?;

    // protox's own encoder keeps options that extend descriptor.proto; prost's would drop them.
    let set = PathBuf::from(env::var("OUT_DIR")?).join("testing.bin");
    fs::write(set, compiler.encode_file_descriptor_set())?;

    let mut descriptors = compiler.file_descriptor_set();
    descriptors.file.retain(|file| file.package() != "buf.validate");
    tonic_prost_build::configure().build_transport(false).bytes(".").compile_fds(descriptors)?;
    Ok(())
}
