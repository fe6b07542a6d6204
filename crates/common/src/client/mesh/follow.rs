//! A mesh whose policy is a file's, also when that changes.

use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::time::Duration;

use super::{Mesh, Shared};
use crate::client::{ChannelError, ChannelSettings};
use crate::policy::{Policy, PolicyError};

/// How often the file is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// A policy that cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// Its file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It does not hold together.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A cluster cannot be called.
    #[error(transparent)]
    Channel(#[from] ChannelError),
}

impl Mesh {
    /// A mesh with the policy of a file, which is looked at every second from then on: another
    /// text is put in force, whole, if it holds together; otherwise nothing changes, and the log
    /// says why.
    ///
    /// # Errors
    /// See [`MeshError`].
    pub async fn from_file(
        path: impl Into<PathBuf>,
        settings: ChannelSettings,
    ) -> Result<Self, MeshError> {
        let path = path.into();
        let text = read(&path).await?;
        let mesh = Self::new(parse(&path, &text)?, settings)?;
        tokio::spawn(follow(path, text, std::sync::Arc::downgrade(&mesh.0)));
        Ok(mesh)
    }
}

async fn read(path: &Path) -> Result<String, MeshError> {
    let text = tokio::fs::read_to_string(path).await;
    text.map_err(|source| MeshError::Read { path: path.to_owned(), source })
}

fn parse(path: &Path, text: &str) -> Result<Policy, PolicyError> {
    Policy::from_yaml(&path.display().to_string(), text)
}

/// Ends when the mesh has gone.
async fn follow(path: PathBuf, mut text: String, mesh: Weak<Shared>) {
    let mut last = String::new();
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(shared) = mesh.upgrade() else { return };
        let changed = match read(&path).await {
            Ok(now) if now == text => continue,
            Ok(now) => {
                let applied = parse(&path, &now).map_err(MeshError::from);
                text = now;
                applied.and_then(|policy| Ok(Mesh(shared).apply(policy)?))
            }
            Err(error) => Err(error),
        };
        let problem = changed.err().map(|error| error.to_string()).unwrap_or_default();
        match problem.as_str() {
            "" => tracing::info!(file = %path.display(), "another policy is in force"),
            problem if problem != last => {
                tracing::error!(problem, "the policy stays as it was");
            }
            _ => {}
        }
        last = problem;
    }
}
