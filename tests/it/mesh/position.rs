//! The two positions of the layers: each behaviour is a function of the position, and a test in
//! each.

use agent::{Agent, Outbound, Routes, RunningAgent};
use ahoy::Channel;
use ahoy::client::{ChannelSettings, Mesh};
use ahoy::policy::Policy;
use ahoy::server::{Running, ServerSettings};
use contracts::hello::v1::hello_service_client::HelloServiceClient;

use crate::support::{ANY_PORT, Scripted, greeting, scripted, settings};

/// Where the layers stand.
#[derive(Clone, Copy, Debug)]
pub(super) enum Position {
    /// In the client's process.
    Inside,
    /// In an agent that the client calls.
    Beside,
}

/// A client's side of a mesh.
pub(super) enum Client {
    Inside(Mesh),
    Beside(Box<RunningAgent>),
}

impl Position {
    /// A client with this policy.
    pub(super) async fn client(self, policy: &str) -> Client {
        let policy = parse(policy);
        match self {
            Self::Inside => Client::Inside(Mesh::new(policy, ChannelSettings::default()).unwrap()),
            Self::Beside => {
                let outbound = Outbound { listen: ANY_PORT, routes: Routes::Given(policy) };
                let server = ServerSettings { admin: None, ..settings() };
                let agent = Agent { outbound: Some(outbound), server, ..Agent::default() };
                Client::Beside(Box::new(agent.start().await.unwrap()))
            }
        }
    }
}

fn parse(policy: &str) -> Policy {
    Policy::from_yaml("test.yaml", policy).unwrap_or_else(|error| panic!("{error}\n{policy}"))
}

impl Client {
    /// Puts another policy in force.
    pub(super) fn apply(&self, policy: &str) {
        let mesh = match self {
            Self::Inside(mesh) => mesh,
            Self::Beside(agent) => agent.mesh().unwrap(),
        };
        mesh.apply(parse(policy)).unwrap();
    }

    /// A client of the hello service of that name.
    pub(super) fn hello(&self, name: &str) -> HelloServiceClient<Channel> {
        HelloServiceClient::new(match self {
            Self::Inside(mesh) => mesh.channel(name).unwrap(),
            Self::Beside(agent) => {
                let authority = Some(name.to_owned());
                let settings = ChannelSettings { authority, ..ChannelSettings::default() };
                let target = format!("http://{}", agent.outbound().unwrap().addr());
                Channel::builder(target).settings(settings).build().unwrap()
            }
        })
    }
}

/// A hello service that greets with its own name.
pub(super) async fn called(name: &'static str) -> Running {
    scripted(Scripted::default().say_hello(move |_| async move { Ok(greeting(name)) }), settings())
        .await
}

/// Makes two tests of each function that takes a [`Position`].
macro_rules! in_both_positions {
    ($($behaviour:ident)*) => {
        mod inside {
            $(#[tokio::test]
            async fn $behaviour() {
                crate::support::within(super::$behaviour(super::Position::Inside)).await;
            })*
        }
        mod beside {
            $(#[tokio::test]
            async fn $behaviour() {
                crate::support::within(super::$behaviour(super::Position::Beside)).await;
            })*
        }
    };
}
pub(super) use in_both_positions;
