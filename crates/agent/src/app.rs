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

/// How often an application is asked whether it serves yet, and how long it may take to answer.
const ASK_EVERY: Duration = Duration::from_millis(100);
const ANSWER: Duration = Duration::from_secs(1);

/// It is on this machine: to connect again costs next to nothing.
const BACKOFF: Duration = Duration::from_millis(100);

pub(crate) fn channel(app: &str, settings: &ChannelSettings) -> Result<Channel, ChannelError> {
    let settings =
        ChannelSettings { backoff_base: BACKOFF, backoff_max: BACKOFF, ..settings.clone() };
    Channel::builder(app).settings(settings).build()
}

/// Returns when the application says that it serves, by `grpc.health.v1`; one that has no such
/// service, when it answers at all.
pub(crate) async fn serves(channel: &Channel, app: &str) {
    let mut last = String::new();
    let mut client = HealthClient::new(channel.clone());
    loop {
        let mut request = Request::new(HealthCheckRequest::default());
        request.set_timeout(ANSWER);
        let why = match client.check(request).await {
            Ok(answer) => match answer.into_inner().status() {
                ServingStatus::Serving => return,
                status => status.as_str_name().to_owned(),
            },
            Err(status) if status.code() == Code::Unimplemented => return,
            Err(status) => status.message().to_owned(),
        };
        if why != last {
            tracing::info!(app, why, "waiting for the application");
            last = why;
        }
        sleep(ASK_EVERY).await;
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
