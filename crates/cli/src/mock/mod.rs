//! `ahoy mock`: serves any folder of contracts, with their examples, and without any code.

mod answers;
mod seed;
mod service;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ahoy::Server;
use ahoy::server::{Running, ServerSettings, Signals};
use ahoy::telemetry;

use crate::folder::{self, Folder};
use crate::serve::{self, Listen, announce};
use answers::Answers;
use service::Mock;

/// How often the files are looked at.
const WATCH: Duration = Duration::from_millis(500);

/// How long calls may go on when the files have changed.
const RELOAD_LIMIT: Duration = Duration::from_secs(1);

/// Serves a folder of .proto files, with no code
///
/// Every service of the folder is served, in every protocol, with reflection and health. A call
/// is answered by the first example that its request fits, from the files called
/// NAME.examples.yaml; without one, an answer is made up from the names and types of the fields
/// and the rules of the contract, always the same for the same request and seed. The header
/// `x-example` chooses an example by its name, and in an answer tells which one it was.
#[derive(Debug, clap::Args)]
#[command(mut_args(|arg| Listen::told(arg, &defaults())))]
pub(crate) struct MockArgs {
    /// The folder of the contracts; it is where imports are looked for
    #[arg(default_value = "proto", value_parser = folder::parser())]
    folder: PathBuf,

    #[command(flatten)]
    listen: Listen,

    /// Where else imports are looked for
    #[arg(short = 'I', long = "import-path", value_name = "DIR")]
    import_path: Vec<PathBuf>,

    /// Makes up other answers than another seed does
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,

    /// Goes on with what was read at the start when files change
    #[arg(long)]
    no_watch: bool,
}

impl MockArgs {
    pub(crate) fn run(self) -> ExitCode {
        let telemetry = telemetry::Settings::from_env("mock");
        serve::run(telemetry, async {
            let settings = self.listen.settings(defaults())?;
            let mut signals = Signals::new()?;
            let mut seen = folder::find(&self.folder)?;
            let mut running = self.start(&settings).await?;
            announce(&running);
            loop {
                tokio::select! {
                    () = running.drain_on(&mut signals) => return Ok(()),
                    files = changed(&self.folder, &seen), if !self.no_watch => seen = files,
                }
                match self.restart(&running, &settings).await {
                    Ok(Some(next)) => running = next,
                    Ok(None) => {}
                    Err(error) => return Err(error),
                }
            }
        })
    }

    async fn start(&self, settings: &ServerSettings) -> anyhow::Result<Running> {
        let server = server(&self.load()?, self.seed)?;
        Ok(server.settings(settings.clone()).start().await?)
    }

    fn load(&self) -> anyhow::Result<Folder> {
        Folder::load(&self.folder, &self.import_path)
    }

    /// Starts again in the same place with what the files say now; not if it makes no sense.
    async fn restart(
        &self,
        running: &Running,
        settings: &ServerSettings,
    ) -> anyhow::Result<Option<Running>> {
        let server = match self.load().and_then(|folder| server(&folder, self.seed)) {
            Ok(server) => server,
            Err(error) => {
                eprintln!(
                    "ahoy: the files have changed, and the mock goes on as it was: {error:#}"
                );
                return Ok(None);
            }
        };
        let same = |addr: Option<SocketAddr>, asked: Option<SocketAddr>| asked.and(addr);
        let settings = ServerSettings {
            listen: running.addr(),
            admin: same(running.admin_addr(), settings.admin),
            ..settings.clone()
        };
        if tokio::time::timeout(RELOAD_LIMIT, running.drain()).await.is_err() {
            running.cut();
            running.wait().await;
        }
        let running = server.settings(settings).start().await?;
        println!("the files have changed; serving what they say now");
        Ok(Some(running))
    }
}

/// It is for this machine, and stands beside real services, which have their admin ports.
fn defaults() -> ServerSettings {
    ServerSettings {
        listen: (Ipv4Addr::LOCALHOST, 50051).into(),
        admin: None,
        ..ServerSettings::default()
    }
}

/// Waits until the files are others than these.
async fn changed(folder: &Path, seen: &[(PathBuf, SystemTime)]) -> Vec<(PathBuf, SystemTime)> {
    loop {
        tokio::time::sleep(WATCH).await;
        match folder::find(folder) {
            Ok(files) if files != seen => return files,
            // A folder that cannot be read now may be on its way.
            _ => {}
        }
    }
}

/// A server of all services of a folder.
pub(crate) fn server(folder: &Folder, seed: u64) -> anyhow::Result<Server> {
    let answers = Arc::new(Answers::new(folder, seed)?);
    let mut server =
        Server::new("mock").contracts(folder.descriptors.clone()).examples(folder.sources.clone());
    for service in &folder.services {
        server = server.route(service, Mock::new(Arc::clone(&answers)));
    }
    Ok(server)
}
