//! A service whose contract states rules: `testing.rules.v1.Ruled`.

use futures_util::StreamExt;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use proto::ruled_server::{Ruled, RuledServer};
use proto::{Entry, Plain};

/// The contract with its rules, encoded.
const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/rules.bin"));

/// The generated messages and stubs of `testing.rules.v1`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod proto {
    tonic::include_proto!("testing.rules.v1");
}

/// A server of it, whose handlers check nothing.
pub fn server() -> ahoy::Server {
    ahoy::Server::new("ruled").contracts(DESCRIPTOR_SET).service(RuledServer::new(Careless))
}

/// Takes whatever it gets.
#[derive(Clone, Copy, Debug)]
struct Careless;

#[tonic::async_trait]
impl Ruled for Careless {
    async fn say(&self, request: Request<Entry>) -> Result<Response<Entry>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    type RepeatStream = BoxStream<Entry>;

    async fn repeat(
        &self,
        request: Request<Entry>,
    ) -> Result<Response<Self::RepeatStream>, Status> {
        let entry = request.into_inner();
        let times = entry.count as usize;
        let entries = futures_util::stream::iter(std::iter::repeat_n(Ok(entry), times));
        Ok(Response::new(Box::pin(entries)))
    }

    async fn last(&self, request: Request<Streaming<Entry>>) -> Result<Response<Entry>, Status> {
        let mut entries = request.into_inner();
        let mut last = Entry::default();
        while let Ok(Some(entry)) = entries.message().await {
            last = entry;
        }
        Ok(Response::new(last))
    }

    type TalkStream = BoxStream<Entry>;

    async fn talk(
        &self,
        request: Request<Streaming<Entry>>,
    ) -> Result<Response<Self::TalkStream>, Status> {
        let entries = request.into_inner().take_while(|entry| std::future::ready(entry.is_ok()));
        Ok(Response::new(Box::pin(entries)))
    }

    async fn free(&self, request: Request<Plain>) -> Result<Response<Plain>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}
