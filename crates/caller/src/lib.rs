//! `world.v1.WorldService`: greets places of the world by calling `hello.v1.HelloService`.
//!
//! [`Caller`] is the service; it shows how a service calls another in all four kinds of call. Its
//! limits are in the contract, `proto/world/v1/world.proto`.

mod bridge;
mod service;
mod tour;

use contracts::hello::v1::hello_service_client::HelloServiceClient;
use contracts::world::v1::world_service_server::WorldServiceServer;

pub use service::{Caller, HelloChannel};

/// Where hello is unless told otherwise.
const DEFAULT_HELLO: &str = "http://127.0.0.1:50051";

/// Where hello is, by `AHOY_HELLO`; several with commas between. Empty counts as unset.
pub fn hello_from_env() -> String {
    let set = std::env::var("AHOY_HELLO").ok().filter(|value| !value.is_empty());
    set.unwrap_or_else(|| DEFAULT_HELLO.into())
}

/// The service on a server, ready to run, calling hello through the channel.
pub fn server(hello: ahoy::Channel) -> ahoy::Server {
    ahoy::Server::new("caller")
        .contracts(contracts::FILE_DESCRIPTOR_SET)
        .examples(contracts::EXAMPLES.iter().copied())
        .service(WorldServiceServer::new(Caller::new(HelloServiceClient::new(hello))))
}
