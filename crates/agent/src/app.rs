//! The application that an agent stands beside.

use std::time::Duration;

use ahoy::Channel;
use ahoy::client::reflection::{Reflection, ReflectionError};
use ahoy::client::{ChannelError, ChannelSettings};
use prost_reflect::DescriptorPool;
use tokio::time::sleep;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::readiness::Readiness;

/// How often an application is asked whether it serves yet, whether it still does, and how long it
/// may take to answer.
const ASK_EVERY: Duration = Duration::from_millis(100);
const WATCH_EVERY: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(1);

/// It is on this machine: to connect again costs next to nothing.
const BACKOFF: Duration = Duration::from_millis(100);

pub(crate) fn channel(app: &str, settings: &ChannelSettings) -> Result<Channel, ChannelError> {
    let settings =
        ChannelSettings { backoff_base: BACKOFF, backoff_max: BACKOFF, ..settings.clone() };
    Channel::builder(app).settings(settings).build()
}

/// Asks the application whether it serves, by `grpc.health.v1`; an error says why not. One that has
/// no such service serves when it answers at all.
async fn ask(channel: &Channel) -> Result<(), String> {
    let mut request = Request::new(HealthCheckRequest::default());
    request.set_timeout(ANSWER);
    match HealthClient::new(channel.clone()).check(request).await {
        Ok(answer) => match answer.into_inner().status() {
            ServingStatus::Serving => Ok(()),
            status => Err(format!("the application says {}", status.as_str_name())),
        },
        Err(status) if status.code() == Code::Unimplemented => Ok(()),
        Err(status) => Err(format!("the application does not answer: {}", status.message())),
    }
}

/// Returns when the application serves.
pub(crate) async fn serves(channel: &Channel, app: &str, readiness: &Readiness) {
    while let Err(why) = ask(channel).await {
        if readiness.set(Some(why.clone())) {
            tracing::info!(app, why, "waiting");
        }
        sleep(ASK_EVERY).await;
    }
}

/// Goes on asking, for as long as it is let.
pub(crate) async fn watch(channel: Channel, app: String, readiness: Readiness) {
    loop {
        let why = ask(&channel).await.err();
        if readiness.set(why.clone()) {
            match why {
                Some(why) => tracing::warn!(app, why, "not ready"),
                None => tracing::info!(app, "ready"),
            }
        }
        sleep(WATCH_EVERY).await;
    }
}

/// What the application says by reflection that it serves, as an encoded `FileDescriptorSet`.
/// Without it gRPC passes all the same, and other protocols do not.
pub(crate) async fn contracts(channel: Channel, app: &str) -> Option<Vec<u8>> {
    match learn(channel).await {
        Ok(pool) => Some(pool.encode_to_vec()),
        Err(error) => {
            tracing::info!(app, %error, "no contracts: the application is served as gRPC only");
            None
        }
    }
}

async fn learn(channel: Channel) -> Result<DescriptorPool, ReflectionError> {
    let mut reflection = Reflection::new(channel, MetadataMap::new());
    let mut pool = DescriptorPool::new();
    for service in reflection.services().await? {
        let plumbing = ["grpc.reflection.", "grpc.health."];
        if !plumbing.iter().any(|prefix| service.starts_with(prefix)) {
            reflection.load(&service, &mut pool).await?;
        }
    }
    reflection.close().await;
    Ok(pool)
}
