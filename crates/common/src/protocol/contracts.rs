//! What the protocols know of the services behind them.

use std::sync::Arc;

use examples::{Examples, Problem};
use prost::Message as _;
use prost_reflect::{DescriptorError, DescriptorPool, MethodDescriptor};
use prost_types::method_options::IdempotencyLevel;
use prost_types::{DescriptorProto, FileDescriptorSet};

use super::paths::ByPath;

/// The methods that a server serves, and every message of their contracts.
#[derive(Debug)]
pub struct Contracts {
    pool: DescriptorPool,
    schema: formats::Schema,
    methods: ByPath<Arc<Method>>,
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
    /// Whether its request is a stream.
    pub client_streaming: bool,
    /// Whether its response is a stream.
    pub server_streaming: bool,
    /// Whether it may be called again, and whether it changes anything at all.
    pub idempotency: IdempotencyLevel,
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
        add_error_details(&mut pool)?;
        let schema = formats::Schema::new(&pool);
        let services = pool.services().filter(|service| served(service.full_name()));
        let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
        let methods = methods
            .filter_map(|descriptor| {
                let path =
                    format!("/{}/{}", descriptor.parent_service().full_name(), descriptor.name());
                let input = schema.message(descriptor.input().full_name())?;
                let output = schema.message(descriptor.output().full_name())?;
                let options = descriptor.method_descriptor_proto().options.as_ref();
                let idempotency = options.map(|options| options.idempotency_level());
                let method = Method {
                    path: path.clone(),
                    client_streaming: descriptor.is_client_streaming(),
                    server_streaming: descriptor.is_server_streaming(),
                    idempotency: idempotency.unwrap_or(IdempotencyLevel::IdempotencyUnknown),
                    descriptor,
                    input,
                    output,
                };
                Some((path.into(), Arc::new(method)))
            })
            .collect();
        Ok(Self { pool, schema, methods, examples: Examples::default() })
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

    /// Every message of them, ready to be translated.
    pub fn schema(&self) -> &formats::Schema {
        &self.schema
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

/// Adds `google.rpc.Status` and the details that errors carry, which contracts seldom import; what
/// they do import stays as they have it.
fn add_error_details(pool: &mut DescriptorPool) -> Result<(), DescriptorError> {
    let own = FileDescriptorSet::decode(tonic_types::pb::FILE_DESCRIPTOR_SET).unwrap_or_default();
    let missing = own.file.into_iter().filter(|file| {
        let message = |message: &DescriptorProto| {
            pool.get_message_by_name(&format!("{}.{}", file.package(), message.name())).is_some()
        };
        pool.get_file_by_name(file.name()).is_none() && !file.message_type.iter().any(message)
    });
    let missing: Vec<_> = missing.collect();
    pool.add_file_descriptor_protos(missing)
}
