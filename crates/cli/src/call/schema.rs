//! The types that a command works with: asked of the server as they are needed, or compiled from files.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use ahoy::Channel;
use ahoy::client::reflection::{Reflection, ReflectionError};
use prost_reflect::{DescriptorPool, MessageDescriptor, ServiceDescriptor};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use super::failure::{Failure, code_name};
use super::resolve::is_plumbing;

/// Descriptors, and where more of them come from.
#[derive(Debug)]
pub(crate) struct Schema {
    pool: DescriptorPool,
    reflection: Option<Reflection>,
    /// Whom it asks.
    address: String,
    services: Option<Vec<String>>,
    absent: HashSet<String>,
}

impl Schema {
    /// Types that the server at the end of `channel` tells.
    pub(crate) fn reflected(channel: Channel, metadata: MetadataMap, address: &str) -> Self {
        Self {
            pool: DescriptorPool::new(),
            reflection: Some(Reflection::new(channel, metadata)),
            address: address.to_owned(),
            services: None,
            absent: HashSet::new(),
        }
    }

    /// Types of `.proto` files; imports are looked for in `include`, or beside each file.
    pub(crate) fn compiled(files: &[PathBuf], include: &[PathBuf]) -> Result<Self, Failure> {
        let wrong = |error| Failure::usage(format!("--proto: {}", crate::folder::explain(&error)));
        let beside: Vec<_> = files
            .iter()
            .map(|file| match file.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            })
            .map(Path::to_owned)
            .collect();
        let include = if include.is_empty() { &beside } else { include };
        let mut compiler = crate::folder::compiler(include)
            .map_err(|error| Failure::usage(format!("--proto: {error:#}")))?;
        compiler.open_files(files).map_err(wrong)?;
        Ok(Self {
            pool: compiler.descriptor_pool(),
            reflection: None,
            address: String::new(),
            services: None,
            absent: HashSet::new(),
        })
    }

    /// Where the types come from, in words.
    pub(crate) fn origin(&self) -> &'static str {
        match &self.reflection {
            Some(reflection) => reflection.service_name(),
            None => "files",
        }
    }

    /// Every type that is known so far.
    pub(crate) fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// The full names of all services, sorted; those that only serve tools come last.
    pub(crate) async fn services(&mut self) -> Result<Vec<String>, Failure> {
        if let Some(services) = &self.services {
            return Ok(services.clone());
        }
        let mut services = match &mut self.reflection {
            Some(reflection) => {
                let services = reflection.services().await;
                services.map_err(|error| not_told(&self.address, error))?
            }
            None => {
                let mut names: Vec<_> =
                    self.pool.services().map(|service| service.full_name().to_owned()).collect();
                names.sort();
                names
            }
        };
        services.sort_by_key(|name| is_plumbing(name));
        self.services = Some(services.clone());
        Ok(services)
    }

    /// Learns the file that defines `symbol`, a full name; false if nobody knows it.
    pub(crate) async fn load(&mut self, symbol: &str) -> Result<bool, Failure> {
        if self.knows(symbol) {
            return Ok(true);
        }
        let Some(reflection) = &mut self.reflection else {
            return Ok(false);
        };
        if self.absent.contains(symbol) {
            return Ok(false);
        }
        match reflection.load(symbol, &mut self.pool).await {
            Ok(()) if self.knows(symbol) => return Ok(true),
            Ok(()) | Err(ReflectionError::NotFound) => {}
            Err(error) => return Err(not_told(&self.address, error)),
        }
        self.absent.insert(symbol.to_owned());
        Ok(false)
    }

    /// The service of this full name.
    pub(crate) async fn service(
        &mut self,
        name: &str,
    ) -> Result<Option<ServiceDescriptor>, Failure> {
        self.load(name).await?;
        Ok(self.pool.get_service_by_name(name))
    }

    /// The message of this full name.
    pub(crate) async fn message(
        &mut self,
        name: &str,
    ) -> Result<Option<MessageDescriptor>, Failure> {
        self.load(name).await?;
        Ok(self.pool.get_message_by_name(name))
    }

    /// Every service that can be loaded; one that a server lists but cannot describe is left out.
    pub(crate) async fn all_services(&mut self) -> Result<Vec<ServiceDescriptor>, Failure> {
        for name in self.services().await? {
            self.load(&name).await?;
        }
        Ok(self.pool.services().collect())
    }

    /// Ends the conversation with the server, so that it is not held open beside a long call.
    pub(crate) async fn rest(&mut self) {
        if let Some(reflection) = &mut self.reflection {
            reflection.close().await;
        }
    }

    fn knows(&self, symbol: &str) -> bool {
        let is_method = || {
            let (service, method) = symbol.rsplit_once('.')?;
            let service = self.pool.get_service_by_name(service)?;
            service.methods().find(|m| m.name() == method)
        };
        self.pool.get_service_by_name(symbol).is_some()
            || self.pool.get_message_by_name(symbol).is_some()
            || self.pool.get_enum_by_name(symbol).is_some()
            || is_method().is_some()
    }
}

/// What to tell a user to whom a server does not tell its contracts.
fn not_told(address: &str, error: ReflectionError) -> Failure {
    match error {
        ReflectionError::NotOffered => Failure::failed(format!(
            "{address} does not offer server reflection; give the types with --proto FILE"
        )),
        ReflectionError::Refused(status)
            if matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied) =>
        {
            let message = format!("server reflection: {}", status.message());
            let status = Box::new(Status::new(status.code(), message));
            Failure::Status { status, details: Vec::new() }
        }
        ReflectionError::Refused(status) => Failure::failed(format!(
            "server reflection of {address} failed: {} {}",
            code_name(status.code()),
            status.message()
        )),
        error => Failure::failed(format!("{address}: {error}")),
    }
}
