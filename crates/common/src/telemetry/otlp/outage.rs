//! Tells the log whether exports work.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use tracing::dispatcher::WeakDispatch;
use tracing::{info, warn};

use super::settings::Collector;
use super::transport::ExportError;

/// Where exporters log: set when the log is. Weak, because what is logged to may hold an exporter.
pub(super) type Log = Arc<OnceLock<WeakDispatch>>;

/// Logs when an outage begins and when it ends, not with each export.
pub(super) struct Outage {
    collector: String,
    signal: &'static str,
    failing: AtomicBool,
    log: Log,
}

impl Outage {
    pub(super) fn new(collector: &Collector, log: &Log) -> Self {
        let authority = collector.uri.authority();
        Self {
            collector: authority.map(ToString::to_string).unwrap_or_default(),
            signal: collector.signal.name(),
            failing: AtomicBool::new(false),
            log: Arc::clone(log),
        }
    }

    pub(super) fn note(&self, sent: &Result<(), ExportError>) {
        // Before there is a log, nothing is told, and so nothing counts as told.
        let Some(log) = self.log.get().and_then(WeakDispatch::upgrade) else { return };
        let failing = sent.is_err();
        if self.failing.swap(failing, Relaxed) == failing {
            return;
        }
        let Self { collector, signal, .. } = self;
        tracing::dispatcher::with_default(&log, || match sent {
            Ok(()) => info!(collector, "{signal} are exported again"),
            Err(error) => {
                let error = error as &dyn Error;
                warn!(collector, error, "{signal} cannot be exported and are lost");
            }
        });
    }
}
