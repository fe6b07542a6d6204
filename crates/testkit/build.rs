//! Compiles the contracts of the services that tests run against: stubs, and for each a descriptor
//! set for reflection.

use std::{env, error::Error, fs, path::PathBuf};

/// Descriptor sets and what is in them.
const SETS: [(&str, &[&str]); 3] = [
    ("grpc_testing.bin", &["grpc/testing/test.proto"]),
    ("rules.bin", &["testing/rules/v1/rules.proto"]),
    (
        "conformance.bin",
        &[
            "connectrpc/conformance/v1/client_compat.proto",
            "connectrpc/conformance/v1/server_compat.proto",
            "connectrpc/conformance/v1/service.proto",
        ],
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=../../proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for (name, files) in SETS {
        let mut compiler = protox::Compiler::new(["proto", "../../proto"])?;
        compiler.include_imports(true).include_source_info(true).open_files(files)?;

        // protox's own encoder keeps options that extend descriptor.proto; prost's would drop them.
        fs::write(out.join(name), compiler.encode_file_descriptor_set())?;

        let mut descriptors = compiler.file_descriptor_set();
        descriptors.file.retain(|file| file.package() != "buf.validate");
        tonic_prost_build::configure()
            .build_transport(false)
            .bytes(".")
            .compile_fds(descriptors)?;
    }
    Ok(())
}
