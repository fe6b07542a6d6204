//! A configuration made from files, and made again when they change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use super::TlsError;

/// What some files held at one moment, or why they could not be read.
///
/// Contents are compared, not times or inodes: Kubernetes swaps a symlink two directories up, and
/// a copied file may keep its time.
#[derive(PartialEq, Eq)]
pub(crate) struct Files(BTreeMap<PathBuf, Result<Vec<u8>, String>>);

impl Files {
    fn read(paths: &[PathBuf]) -> Self {
        Self(
            paths
                .iter()
                .map(|path| (path.clone(), std::fs::read(path).map_err(|error| error.to_string())))
                .collect(),
        )
    }

    /// What a file held. A path that was not among those to be read counts as missing.
    pub(crate) fn get(&self, path: &Path) -> Result<&[u8], TlsError> {
        let reason = match self.0.get(path) {
            Some(Ok(content)) => return Ok(content),
            Some(Err(reason)) => reason.clone(),
            None => "it was not read".to_owned(),
        };
        Err(TlsError::Read { path: path.to_owned(), reason })
    }
}

type Build<C> = dyn Fn(&Files) -> Result<C, TlsError> + Send + Sync;

/// A TLS configuration, as [`rustls::ServerConfig`] or [`rustls::ClientConfig`], that follows the
/// files that it was made from.
///
/// A connection takes [`Reloading::current`] when it begins and keeps it; connections that exist
/// are not touched by a change.
pub struct Reloading<C> {
    paths: Vec<PathBuf>,
    build: Box<Build<C>>,
    current: ArcSwap<C>,
    /// What was looked at last, good or bad, so that a bad file is warned of once.
    seen: Mutex<Files>,
}

/// What a look at the files led to.
#[derive(Debug)]
pub enum Outcome {
    /// They hold what they held at the last look.
    Unchanged,
    /// New connections use what they hold now.
    Reloaded,
    /// They cannot be used; what was in use stays.
    Kept(TlsError),
}

impl<C: Send + Sync + 'static> Reloading<C> {
    /// Reads the files, on the calling thread, and makes the first configuration.
    pub(crate) fn load(
        paths: Vec<PathBuf>,
        build: impl Fn(&Files) -> Result<C, TlsError> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, TlsError> {
        let files = Files::read(&paths);
        let current = ArcSwap::from_pointee(build(&files)?);
        Ok(Arc::new(Self { paths, build: Box::new(build), current, seen: Mutex::new(files) }))
    }

    /// The newest configuration that was valid.
    pub fn current(&self) -> Arc<C> {
        self.current.load_full()
    }

    /// Looks at the files once, on the calling thread, which it blocks for as long as they take
    /// to read. Logs a change, and a bad file once for each content that it has.
    pub fn reload(&self) -> Outcome {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let files = Files::read(&self.paths);
        if files == *seen {
            return Outcome::Unchanged;
        }
        let built = (self.build)(&files);
        *seen = files;
        match built {
            Ok(config) => {
                self.current.store(Arc::new(config));
                info!(files = ?self.paths, "TLS files reloaded");
                Outcome::Reloaded
            }
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "TLS files changed but cannot be used, keeping the old ones"
                );
                Outcome::Kept(error)
            }
        }
    }

    /// Looks at the files at each interval, on a blocking thread, until nobody else holds this
    /// configuration. Ends at once if there is no file to look at.
    pub fn watch(self: &Arc<Self>, interval: Duration) -> impl Future<Output = ()> + use<C> {
        let watched = (!self.paths.is_empty()).then(|| Arc::downgrade(self));
        async move {
            let Some(watched) = watched else { return };
            // A timer of no length would panic.
            let interval = interval.max(Duration::from_millis(1));
            let mut ticks = tokio::time::interval(interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            // The first tick is now, when the files have just been read.
            ticks.tick().await;
            loop {
                ticks.tick().await;
                let Some(this) = watched.upgrade() else {
                    return;
                };
                // An error is a panic, which is on standard error, or the end of the runtime.
                if tokio::task::spawn_blocking(move || this.reload()).await.is_err() {
                    return;
                }
            }
        }
    }
}

impl<C> std::fmt::Debug for Reloading<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloading").field("paths", &self.paths).finish_non_exhaustive()
    }
}
