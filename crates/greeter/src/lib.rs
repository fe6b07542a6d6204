//! `hello.v1.HelloService`: greets in several languages.
//!
//! [`Greeter`] is the service; [`greeting`] is what it says. Its limits are in the contract,
//! `proto/hello/v1/hello.proto`.

pub mod greeting;
mod service;

use contracts::hello::v1::hello_service_server::HelloServiceServer;

pub use service::Greeter;

/// The service on a server, ready to run.
pub fn server() -> ahoy::Server {
    ahoy::Server::new("greeter")
        .contracts(contracts::FILE_DESCRIPTOR_SET)
        .examples(contracts::EXAMPLES.iter().copied())
        .service(HelloServiceServer::new(Greeter))
}
