//! Exports what a registry holds, at intervals and at the end.

use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Text;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use prost::Message;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::SCOPE;
use super::outage::Outage;
use super::transport::{ExportError, Transport};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::snapshot::{Family, Kind, Labels, Value};

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

pub(super) struct Reader {
    pub(super) registry: Metrics,
    pub(super) transport: Transport,
    pub(super) resource: ResourceAttributesWithSchema,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    /// When counting began.
    pub(super) start: SystemTime,
    pub(super) outage: Outage,
}

impl Reader {
    /// Runs until `closing` turns true and what there is then has been exported. `done` is
    /// dropped last.
    pub(super) async fn run(self, mut closing: watch::Receiver<bool>, done: mpsc::Sender<()>) {
        let mut ticks = interval_at(Instant::now() + self.interval, self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let this = Arc::new(self);
        loop {
            let last = tokio::select! {
                _ = closing.wait_for(|closing| *closing) => true,
                _ = ticks.tick() => false,
            };
            // A task of its own, as a gauge's function may panic.
            let export = tokio::spawn({
                let this = Arc::clone(&this);
                async move { this.export().await }
            });
            this.outage.note(&export.await.unwrap_or_else(|error| Err(error.into())));
            if last {
                break;
            }
        }
        drop(done);
    }

    async fn export(&self) -> Result<(), ExportError> {
        let message = self.request(SystemTime::now()).encode_to_vec();
        let answer = timeout(self.timeout, self.transport.send(message))
            .await
            .map_err(|_| ExportError::Timeout(self.timeout))??;
        let answer = ExportMetricsServiceResponse::decode(answer)
            .map_err(|error| ExportError::Answer(error.into()))?;
        match answer.partial_success {
            Some(partly) if partly.rejected_data_points > 0 => Err(ExportError::Rejected {
                rejected: partly.rejected_data_points,
                message: partly.error_message,
            }),
            _ => Ok(()),
        }
    }

    fn request(&self, now: SystemTime) -> ExportMetricsServiceRequest {
        let time = Times { start: nanos(self.start), now: nanos(now) };
        let metrics = self.registry.snapshot().into_iter();
        let scope = InstrumentationScope {
            name: SCOPE.into(),
            version: env!("CARGO_PKG_VERSION").into(),
            ..InstrumentationScope::default()
        };
        ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(Resource {
                    attributes: self.resource.attributes.0.clone(),
                    ..Resource::default()
                }),
                scope_metrics: vec![ScopeMetrics {
                    scope: Some(scope),
                    metrics: metrics.map(|family| metric(family, time)).collect(),
                    schema_url: String::new(),
                }],
                schema_url: self.resource.schema_url.clone().unwrap_or_default(),
            }],
        }
    }
}

/// In nanoseconds since 1970.
#[derive(Clone, Copy)]
struct Times {
    start: u64,
    now: u64,
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn metric(family: Family, time: Times) -> Metric {
    let mut numbers = Vec::new();
    let mut histograms = Vec::new();
    for series in family.series {
        let attributes = attributes(series.labels);
        match series.value {
            Value::Number(number) => numbers.push(NumberDataPoint {
                attributes,
                start_time_unix_nano: if family.kind == Kind::Gauge { 0 } else { time.start },
                time_unix_nano: time.now,
                value: Some(Number::AsDouble(number)),
                ..NumberDataPoint::default()
            }),
            Value::Histogram { bounds, buckets, sum } => histograms.push(HistogramDataPoint {
                attributes,
                start_time_unix_nano: time.start,
                time_unix_nano: time.now,
                count: buckets.iter().sum(),
                sum: Some(sum),
                bucket_counts: buckets,
                explicit_bounds: bounds.to_vec(),
                ..HistogramDataPoint::default()
            }),
        }
    }
    let data = match family.kind {
        Kind::Counter => Data::Sum(Sum {
            data_points: numbers,
            aggregation_temporality: CUMULATIVE,
            is_monotonic: true,
        }),
        Kind::Gauge => Data::Gauge(Gauge { data_points: numbers }),
        Kind::Histogram => Data::Histogram(Histogram {
            data_points: histograms,
            aggregation_temporality: CUMULATIVE,
        }),
    };
    Metric {
        name: family.name.into_owned(),
        description: family.help.into_owned(),
        unit: family.unit.into_owned(),
        metadata: Vec::new(),
        data: Some(data),
    }
}

fn attributes(labels: Labels) -> Vec<KeyValue> {
    let attributes = labels.into_iter().map(|(key, value)| KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(Text::StringValue(value)) }),
        ..KeyValue::default()
    });
    attributes.collect()
}
