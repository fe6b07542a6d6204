//! The operator's side: `/livez`, `/readyz` and `/metrics`, over HTTP/1.1.

use std::convert::Infallible;
use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::Shared;
use super::health::ServingStatus;
use super::lifecycle::Phase;

/// Operators, probes and scrapers are few; more connections wait until one of these has closed.
const MOST_CONNECTIONS: usize = 64;

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
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
        let shared = shared.clone();
        tokio::spawn(async move {
            let _place = place;
            let answer = service_fn(|request: Request<Incoming>| {
                let response = answer(&request, &shared);
                async move { Ok::<_, Infallible>(response) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(shared.settings.handshake_timeout)
                .serve_connection(TokioIo::new(stream), answer)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "admin connection ended");
            }
        });
    }
}

fn answer(request: &Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".into());
    }
    match request.uri().path() {
        "/livez" => text(StatusCode::OK, "alive\n".into()),
        "/readyz" => {
            // Health changes before the phase does: who asks here learns of a drain at its
            // beginning, too, and not only after the drain delay.
            let serving = shared.health.get("") == Some(ServingStatus::Serving);
            match shared.lifecycle.phase() {
                Phase::Ready if serving => text(StatusCode::OK, "ready\n".into()),
                Phase::Ready => text(StatusCode::SERVICE_UNAVAILABLE, "not serving\n".into()),
                phase => text(StatusCode::SERVICE_UNAVAILABLE, format!("{phase}\n")),
            }
        }
        "/metrics" => {
            let mut response = text(StatusCode::OK, shared.metrics.render());
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
