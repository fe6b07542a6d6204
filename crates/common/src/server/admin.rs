//! The operator's side: `/livez`, `/readyz` and `/metrics`, over HTTP/1.1.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::Shared;
use super::health::ServingStatus;
use super::lifecycle::Phase;
use crate::telemetry::Metrics;

/// Operators, probes and scrapers are few; more connections wait until one of these has closed.
const MOST_CONNECTIONS: usize = 64;

/// How long a request's headers may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers an operator apart from any server, until it is dropped.
#[derive(Debug)]
pub struct Admin {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Admin {
    /// Answers on this address, on the runtime of the caller; `not_ready` says why `/readyz` is to
    /// be 503, if it is.
    ///
    /// # Errors
    /// The address is not to be had.
    pub async fn start(
        addr: SocketAddr,
        metrics: Metrics,
        not_ready: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let about = About { metrics, not_ready: Box::new(not_ready) };
        Ok(Self { addr, task: tokio::spawn(run(listener, about)) })
    }

    /// Where it answers; the real port if port 0 was asked for.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What there is to say.
struct About {
    metrics: Metrics,
    not_ready: Box<dyn Fn() -> Option<String> + Send + Sync>,
}

/// Answers about a server until it is dropped.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let metrics = shared.metrics.clone();
    let not_ready = move || {
        // Health changes before the phase does: who asks here learns of a drain at its beginning,
        // too, and not only after the drain delay.
        let serving = shared.health.get("") == Some(ServingStatus::Serving);
        match shared.lifecycle.phase() {
            Phase::Ready if serving => None,
            Phase::Ready => Some("not serving".to_owned()),
            phase => Some(phase.to_string()),
        }
    };
    run(listener, About { metrics, not_ready: Box::new(not_ready) }).await;
}

async fn run(listener: TcpListener, about: About) {
    let about = Arc::new(about);
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        // Never closed, so never an error.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                super::listener::pause_after(&error).await;
                continue;
            }
        };
        let about = about.clone();
        tokio::spawn(async move {
            let _place = place;
            let answer = service_fn(|request: Request<Incoming>| {
                let response = answer(&request, &about);
                async move { Ok::<_, Infallible>(response) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(stream), answer)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "admin connection ended");
            }
        });
    }
}

fn answer(request: &Request<Incoming>, about: &About) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".into());
    }
    match request.uri().path() {
        "/livez" => text(StatusCode::OK, "alive\n".into()),
        "/readyz" => match (about.not_ready)() {
            None => text(StatusCode::OK, "ready\n".into()),
            Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
        "/metrics" => {
            let mut response = text(StatusCode::OK, about.metrics.render());
            let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, format);
            response
        }
        _ => text(StatusCode::NOT_FOUND, "here are /livez, /readyz and /metrics\n".into()),
    }
}

fn text(code: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = code;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
