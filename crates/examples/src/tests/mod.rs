#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod reading;
mod synthesis;

use prost_reflect::DescriptorPool;

/// Compiles `shop/v1/shop.proto`, which may import the rules.
fn pool(source: &str) -> DescriptorPool {
    use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
    struct Sources(String);
    impl FileResolver for Sources {
        fn open_file(&self, name: &str) -> Result<File, protox::Error> {
            let rules = include_str!("../../../../proto/buf/validate/validate.proto");
            match name {
                "buf/validate/validate.proto" => File::from_source(name, rules),
                "shop/v1/shop.proto" => File::from_source(name, &self.0),
                _ => Err(protox::Error::file_not_found(name)),
            }
        }
    }
    let mut resolver = ChainFileResolver::new();
    resolver.add(Sources(source.to_owned()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    compiler.open_file("shop/v1/shop.proto").map_err(|error| panic!("{error:?}")).unwrap();
    DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap()
}
