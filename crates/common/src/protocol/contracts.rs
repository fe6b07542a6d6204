//! What the protocols know of the services behind them.

use std::collections::HashMap;
use std::sync::Arc;

use examples::{Examples, Problem};
use prost_reflect::{DescriptorError, DescriptorPool, MethodDescriptor};

/// The methods that a server serves, and every message of their contracts.
#[derive(Debug, Default)]
pub struct Contracts {
    pool: DescriptorPool,
    methods: HashMap<String, Arc<Method>>,
    examples: Examples,
}

/// A method, ready for messages to be translated.
#[derive(Debug)]
pub struct Method {
    /// Such as `/hello.v1.HelloService/SayHello`.
    pub path: String,
    /// As the contract has it, with its options.
    pub descriptor: MethodDescriptor,
    /// Its requests.
    pub input: formats::Message,
    /// Its responses.
    pub output: formats::Message,
}

impl Contracts {
    /// Reads encoded `FileDescriptorSet`s, and of their services takes those called in `served`.
    ///
    /// # Errors
    /// A set is damaged, or contradicts another.
    pub fn new<'a>(
        sets: impl IntoIterator<Item = &'a [u8]>,
        served: impl Fn(&str) -> bool,
    ) -> Result<Self, DescriptorError> {
        let mut pool = DescriptorPool::new();
        for set in sets {
            pool.decode_file_descriptor_set(set)?;
        }
        let schema = formats::Schema::new(&pool);
        let services = pool.services().filter(|service| served(service.full_name()));
        let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
        let methods = methods
            .filter_map(|descriptor| {
                let path =
                    format!("/{}/{}", descriptor.parent_service().full_name(), descriptor.name());
                let input = schema.message(descriptor.input().full_name())?;
                let output = schema.message(descriptor.output().full_name())?;
                let method = Method { path: path.clone(), descriptor, input, output };
                Some((path, Arc::new(method)))
            })
            .collect();
        Ok(Self { pool, methods, examples: Examples::default() })
    }

    /// Reads files of examples, each given as its path below the root of the contracts and its
    /// text.
    ///
    /// # Errors
    /// Everything in them that does not fit.
    pub fn with_examples<'a>(
        mut self,
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Vec<Problem>> {
        self.examples = Examples::read(files, &self.pool)?;
        Ok(self)
    }

    /// The examples of the contracts.
    pub fn examples(&self) -> &Examples {
        &self.examples
    }

    /// Everything that the contracts declare.
    pub fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// The method of that path, such as `/hello.v1.HelloService/SayHello`.
    pub fn method(&self, path: &str) -> Option<&Arc<Method>> {
        self.methods.get(path)
    }

    /// Every method that is served, in no order.
    pub fn methods(&self) -> impl Iterator<Item = &Arc<Method>> {
        self.methods.values()
    }
}
