//! Finds what a name on the command line means, however short, or says what it may have meant.

use examples::suggest::did_you_mean;
use prost_reflect::{EnumDescriptor, MessageDescriptor, MethodDescriptor, ServiceDescriptor};

use super::failure::Failure;
use super::schema::Schema;

/// Something with a definition.
#[derive(Clone, Debug)]
pub(crate) enum Symbol {
    Service(ServiceDescriptor),
    Method(MethodDescriptor),
    Message(MessageDescriptor),
    Enum(EnumDescriptor),
}

impl Symbol {
    fn full_name(&self) -> &str {
        match self {
            Self::Service(service) => service.full_name(),
            Self::Method(method) => method.full_name(),
            Self::Message(message) => message.full_name(),
            Self::Enum(enumeration) => enumeration.full_name(),
        }
    }
}

/// Whether `short` is `full`, or the last parts of it.
fn ends_with(full: &str, short: &str) -> bool {
    full.strip_suffix(short).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether a service is part of the machinery rather than what its server is for.
pub(crate) fn is_plumbing(service: &str) -> bool {
    service.starts_with("grpc.reflection.") || service.starts_with("grpc.health.")
}

/// The service that `name`, full or short, means.
pub(crate) async fn service(schema: &mut Schema, name: &str) -> Result<ServiceDescriptor, Failure> {
    let name = name.trim_start_matches('.');
    match find_service(schema, name).await? {
        Some(service) => Ok(service),
        None => Err(no_service(&schema.services().await?, name)),
    }
}

/// The method that `name` means: `SERVICE/METHOD`, `SERVICE.METHOD` or `METHOD`.
pub(crate) async fn method(schema: &mut Schema, name: &str) -> Result<MethodDescriptor, Failure> {
    let name = name.trim_start_matches(['.', '/']);
    if let Some((service_name, method)) = name.rsplit_once('/') {
        let service = service(schema, service_name).await?;
        return method_of(&service, method);
    }
    if let Some((service_name, method)) = name.rsplit_once('.')
        && let Some(service) = find_service(schema, service_name).await?
    {
        return method_of(&service, method);
    }
    if let Some(service) = find_service(schema, name).await? {
        return Err(Failure::usage(format!(
            "{} is a service; call one of its methods: {}",
            service.full_name(),
            method_names(&service)
        )));
    }
    if name.contains('.') {
        let service = name.rsplit_once('.').map_or(name, |(service, _)| service);
        return Err(no_service(&schema.services().await?, service));
    }

    let services = schema.all_services().await?;
    let all: Vec<_> = services.iter().flat_map(|s| s.methods().collect::<Vec<_>>()).collect();
    let mut named: Vec<_> = all.iter().filter(|m| m.name() == name).collect();
    if named.len() > 1 {
        named.retain(|m| !is_plumbing(m.parent_service().full_name()));
    }
    match named.as_slice() {
        [method] => Ok((*method).clone()),
        [] => Err(Failure::usage(format!(
            "no service has a method {name}{}",
            did_you_mean(name, all.iter().map(MethodDescriptor::name))
                .unwrap_or_else(|| "; `list` shows the services".to_owned())
        ))),
        several => Err(ambiguous(name, several.iter().map(|m| path_of(m)))),
    }
}

/// The service, method, message or enum that `name`, full or short, means.
pub(crate) async fn symbol(schema: &mut Schema, name: &str) -> Result<Symbol, Failure> {
    let name = name.trim_start_matches(['.', '/']).replace('/', ".");
    if schema.load(&name).await?
        && let Some(symbol) = known(schema, &name).into_iter().find(|s| s.full_name() == name)
    {
        return Ok(symbol);
    }
    schema.all_services().await?;
    let mut found = known(schema, &name);
    if found.len() > 1 {
        found.retain(|symbol| !is_plumbing(symbol.full_name()));
    }
    match found.as_slice() {
        [symbol] => Ok(symbol.clone()),
        [] => {
            let all = known(schema, "");
            Err(Failure::usage(format!(
                "nothing is named {name}{}",
                did_you_mean(&name, all.iter().map(Symbol::full_name))
                    .unwrap_or_else(|| "; `list` shows the services".to_owned())
            )))
        }
        several => {
            Err(ambiguous(&name, several.iter().map(|symbol| symbol.full_name().to_owned())))
        }
    }
}

/// Everything known whose full name ends with `name`; with an empty name, everything.
fn known(schema: &Schema, name: &str) -> Vec<Symbol> {
    let pool = schema.pool();
    let services: Vec<_> = pool.services().collect();
    let methods = services.iter().flat_map(|service| service.methods().collect::<Vec<_>>());
    let messages = pool.all_messages().filter(|m| !m.is_map_entry());
    services
        .iter()
        .cloned()
        .map(Symbol::Service)
        .chain(methods.map(Symbol::Method))
        .chain(messages.map(Symbol::Message))
        .chain(pool.all_enums().map(Symbol::Enum))
        .filter(|symbol| name.is_empty() || ends_with(symbol.full_name(), name))
        .collect()
}

async fn find_service(
    schema: &mut Schema,
    name: &str,
) -> Result<Option<ServiceDescriptor>, Failure> {
    let services = schema.services().await?;
    let matching: Vec<_> = services.iter().filter(|s| ends_with(s, name)).collect();
    let full = match matching.as_slice() {
        [only] => only.as_str(),
        // A server may serve what it does not list.
        [] => name,
        several => match several.iter().find(|s| s.as_str() == name) {
            Some(exact) => exact.as_str(),
            None => return Err(ambiguous(name, several.iter().map(|s| (*s).clone()))),
        },
    };
    schema.service(full).await
}

fn method_of(service: &ServiceDescriptor, name: &str) -> Result<MethodDescriptor, Failure> {
    let methods: Vec<_> = service.methods().collect();
    if let Some(method) = methods.iter().find(|m| m.name() == name) {
        return Ok(method.clone());
    }
    Err(Failure::usage(format!(
        "{} has no method {name}{}",
        service.full_name(),
        did_you_mean(name, methods.iter().map(MethodDescriptor::name))
            .unwrap_or_else(|| format!("; it has {}", method_names(service)))
    )))
}

fn no_service(services: &[String], name: &str) -> Failure {
    let own: Vec<_> = services.iter().map(String::as_str).filter(|s| !is_plumbing(s)).collect();
    Failure::usage(format!(
        "there is no service {name}{}",
        did_you_mean(name, services.iter().map(String::as_str)).unwrap_or_else(|| {
            match own.as_slice() {
                [] => "; `list` shows the services".to_owned(),
                [only] => format!("; there is {only}"),
                several => format!("; there are {}", several.join(", ")),
            }
        })
    ))
}

fn ambiguous(name: &str, several: impl Iterator<Item = String>) -> Failure {
    let mut names: Vec<_> = several.collect();
    names.sort();
    Failure::usage(format!("{name} may mean {}; give more of the name", names.join(" or ")))
}

fn method_names(service: &ServiceDescriptor) -> String {
    let names: Vec<_> = service.methods().map(|m| m.name().to_owned()).collect();
    names.join(", ")
}

/// `package.Service/Method`.
pub(crate) fn path_of(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().full_name(), method.name())
}
