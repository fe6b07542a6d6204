//! Exports traces and metrics over OTLP, by gRPC or by HTTP.
//!
//! The exporters have a thread and a runtime of their own, so that a slow collector takes nothing
//! from the workers, and what they do is neither traced nor counted nor logged, except for
//! whether it works. The SDK of OpenTelemetry reads its variables for the sampler, the batches,
//! the limits of spans and the resource.

mod metrics;
mod outage;
mod resource;
mod settings;
mod traces;
mod transport;

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracer, SdkTracerProvider};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{oneshot, watch};
use tracing::{Dispatch, warn};

pub use settings::{MetricSettings, TraceSettings};

use super::service::ServiceName;
use super::{Metrics, TelemetryError};
use metrics::Reader;
use outage::{Log, Outage};
use resource::Resources;
use settings::Collector;
use traces::{Exporter, NameService};
use transport::Transport;

/// The scope of all spans and metrics.
const SCOPE: &str = "ahoy";

/// The exports, running.
#[derive(Debug)]
pub(super) struct Otlp {
    traces: Option<SdkTracerProvider>,
    /// Hangs up after the last export.
    metrics: Option<mpsc::Receiver<()>>,
    log: Log,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    closing: watch::Sender<bool>,
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Otlp {
    /// Metrics are those of `registry`; `service` is what they, and spans of no other service,
    /// belong to.
    pub(super) fn start(
        traces: Option<&TraceSettings>,
        metrics: Option<&MetricSettings>,
        registry: &Metrics,
        service: ServiceName,
    ) -> Result<Self, TelemetryError> {
        let collectors =
            [traces.map(|traces| &traces.0), metrics.map(|metrics| &metrics.collector)];
        let resources = Resources::new(collectors.into_iter().flatten().any(|to| to.named));
        let (closing, closes) = watch::channel(false);
        // Before there is a thread, so that a wrong setting leaves nothing behind.
        let transport =
            |to: Option<&Collector>| to.map(|to| Transport::new(to, closes.clone())).transpose();
        let [to_traces, to_metrics] = collectors;
        let (to_traces, to_metrics) = (transport(to_traces)?, transport(to_metrics)?);
        let (stop, handle, thread) = runtime().map_err(TelemetryError::Thread)?;

        let log = Log::default();
        let metrics = metrics.zip(to_metrics).map(|(settings, transport)| {
            let (done, ended) = mpsc::channel();
            let reader = Reader {
                registry: registry.clone(),
                transport,
                resource: (&resources.of(service.as_str())).into(),
                interval: settings.interval,
                timeout: settings.timeout,
                start: SystemTime::now(),
                outage: Outage::new(&settings.collector, &log),
            };
            handle.spawn(reader.run(closes.clone(), done));
            ended
        });
        let traces = traces.zip(to_traces).map(|(settings, transport)| {
            let resource = resources.of(service.as_str());
            let exporter = Exporter {
                handle,
                transport: Arc::new(transport),
                resources,
                service,
                outage: Outage::new(&settings.0, &log),
            };
            SdkTracerProvider::builder()
                .with_span_processor(NameService(BatchSpanProcessor::builder(exporter).build()))
                .with_resource(resource)
                .build()
        });
        Ok(Self { traces, metrics, log, running: Some(Running { closing, stop, thread }) })
    }

    pub(super) fn tracer(&self) -> Option<SdkTracer> {
        self.traces.as_ref().map(|provider| provider.tracer(SCOPE))
    }

    /// Where to tell whether exports work.
    pub(super) fn log_to(&self, log: &Dispatch) {
        // It is told once.
        let _ = self.log.set(log.downgrade());
    }

    /// Exports what is left, at most for `limit`.
    pub(super) fn shutdown(&mut self, limit: Duration) {
        let Some(Running { closing, stop, thread }) = self.running.take() else {
            return;
        };
        let deadline = Instant::now() + limit;
        closing.send_replace(true);
        if let Some(traces) = &self.traces
            && let Err(error) = traces.shutdown_with_timeout(limit)
        {
            warn!(%error, "the last traces are lost");
        }
        if let Some(metrics) = &self.metrics {
            let left = deadline.saturating_duration_since(Instant::now());
            if metrics.recv_timeout(left) == Err(mpsc::RecvTimeoutError::Timeout) {
                warn!("the last metrics are lost");
            }
        }
        drop(stop);
        // It ends as soon as it sees that, and has nothing to say.
        let _ = thread.join();
    }
}

/// Starts the thread whose runtime holds the connections to the collector.
fn runtime() -> std::io::Result<(oneshot::Sender<()>, Handle, thread::JoinHandle<()>)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = thread::Builder::new().name("ahoy-otlp".into()).spawn(move || {
        tracing::dispatcher::with_default(&Dispatch::none(), || {
            // Nothing is sent: the other end is dropped.
            let _ = runtime.block_on(stopped);
            // A name that is being looked up is not waited for.
            runtime.shutdown_background();
        });
    })?;
    Ok((stop, handle, thread))
}

#[cfg(test)]
mod tests;
