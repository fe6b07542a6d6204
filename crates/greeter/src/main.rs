//! Serves `hello.v1.HelloService`, as the environment says: see `ahoy::server::ServerSettings`.

use ahoy::telemetry;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let _telemetry = telemetry::init(&telemetry::Settings::from_env("greeter")?)?;
    greeter::server().run().await?;
    Ok(())
}
