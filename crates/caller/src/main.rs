//! Serves `world.v1.WorldService`, as the environment says: see `ahoy::server::ServerSettings`,
//! and `AHOY_HELLO` for where `hello.v1.HelloService` is.

use ahoy::client::ChannelSettings;
use ahoy::server::ServerSettings;
use ahoy::{Channel, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let _telemetry = telemetry::init(&telemetry::Settings::from_env("caller")?)?;
    let hello =
        Channel::builder(caller::hello_from_env()).settings(ChannelSettings::from_env()).build()?;
    let mut settings = ServerSettings::default();
    settings.listen.set_port(50052);
    settings.admin = Some(([127, 0, 0, 1], 9902).into());
    caller::server(hello).settings(settings.with_env()?).run().await?;
    Ok(())
}
