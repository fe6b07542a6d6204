//! Exports spans, each under the name of the service that it was begun in.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::Span as _;
use opentelemetry::{Context, KeyValue};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};
use prost::Message;
use tokio::runtime::Handle;

use super::outage::Outage;
use super::resource::Resources;
use super::settings::SERVICE_NAME;
use super::transport::{ExportError, Transport};
use crate::telemetry::service::ServiceName;

/// Notes in each span the service that it was begun in.
#[derive(Debug)]
pub(super) struct NameService(pub(super) BatchSpanProcessor);

impl SpanProcessor for NameService {
    fn on_start(&self, span: &mut Span, context: &Context) {
        if let Some(service) = ServiceName::current() {
            span.set_attribute(KeyValue::new(SERVICE_NAME, service.as_str()));
        }
        self.0.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, limit: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(limit)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// Called on the thread of the SDK's processor; what it sends goes through ours.
pub(super) struct Exporter {
    pub(super) handle: Handle,
    pub(super) transport: Arc<Transport>,
    pub(super) resources: Resources,
    /// Of spans that belong to none.
    pub(super) service: ServiceName,
    pub(super) outage: Outage,
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("service", &self.service).finish_non_exhaustive()
    }
}

impl Exporter {
    fn request(&self, spans: Vec<SpanData>) -> ExportTraceServiceRequest {
        let mut by_service = HashMap::<String, Vec<SpanData>>::new();
        for mut span in spans {
            let mut service = None;
            span.attributes.retain(|attribute| {
                let is_name = attribute.key.as_str() == SERVICE_NAME;
                if is_name && service.is_none() {
                    service = Some(attribute.value.to_string());
                }
                !is_name
            });
            let service = service.filter(|_| !self.resources.named);
            let service = service.unwrap_or_else(|| self.service.as_str().to_owned());
            by_service.entry(service).or_default().push(span);
        }
        let resource_spans = by_service.into_iter().flat_map(|(service, spans)| {
            let resource = self.resources.of(&service);
            group_spans_by_resource_and_scope(spans, &(&resource).into())
        });
        ExportTraceServiceRequest { resource_spans: resource_spans.collect() }
    }

    async fn send(&self, spans: Vec<SpanData>) -> Result<(), ExportError> {
        let message = self.request(spans).encode_to_vec();
        let transport = Arc::clone(&self.transport);
        let answer = self.handle.spawn(async move { transport.send(message).await }).await??;
        let answer = ExportTraceServiceResponse::decode(answer)
            .map_err(|error| ExportError::Answer(error.into()))?;
        match answer.partial_success {
            Some(partly) if partly.rejected_spans > 0 => Err(ExportError::Rejected {
                rejected: partly.rejected_spans,
                message: partly.error_message,
            }),
            _ => Ok(()),
        }
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.send(spans).await;
        self.outage.note(&sent);
        sent.map_err(|error| OTelSdkError::InternalFailure(error.to_string()))
    }
}
