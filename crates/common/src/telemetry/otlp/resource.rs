//! What exports say they come from.

use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;

const INSTANCE: &str = "service.instance.id";

/// Makes the resource of each service of this process: the attributes of the environment, a name,
/// and an instance, since backends take the counters of replicas without one for a single one.
#[derive(Clone, Debug)]
pub(super) struct Resources {
    /// Whether the environment names the service, for all.
    pub(super) named: bool,
    /// Unless the environment says it.
    instance: Option<KeyValue>,
}

impl Resources {
    pub(super) fn new(named: bool) -> Self {
        let known = Resource::builder().build().get(&Key::from_static_str(INSTANCE)).is_some();
        let instance = (!known).then(|| KeyValue::new(INSTANCE, uuid()));
        Self { named, instance }
    }

    pub(super) fn of(&self, service: &str) -> Resource {
        let mut builder = Resource::builder().with_attributes(self.instance.clone());
        if !self.named {
            builder = builder.with_service_name(service.to_owned());
        }
        builder.build()
    }
}

/// Random, of version 4 (RFC 9562, section 5.4).
fn uuid() -> String {
    let bits = fastrand::u128(..) & !(0xf << 76) | 4 << 76;
    let bits = bits & !(0x3 << 62) | 2 << 62;
    let hex = format!("{bits:032x}");
    let (a, rest) = hex.split_at(8);
    let (b, rest) = rest.split_at(4);
    let (c, rest) = rest.split_at(4);
    let (d, e) = rest.split_at(4);
    format!("{a}-{b}-{c}-{d}-{e}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn services_of_a_process_differ_in_name_and_processes_in_instance() {
        let get = |resource: &Resource, key: &'static str| {
            resource.get(&Key::from_static_str(key)).unwrap().to_string()
        };
        let (here, there) = (Resources::new(false), Resources::new(false));
        let (a, b) = (here.of("a"), here.of("b"));
        assert_eq!((&*get(&a, "service.name"), &*get(&b, "service.name")), ("a", "b"));
        let instance = get(&a, INSTANCE);
        assert_eq!(instance, get(&b, INSTANCE));
        assert_ne!(instance, get(&there.of("a"), INSTANCE));
        assert_eq!((instance.len(), instance.as_bytes()[14]), (36, b'4'));
        assert!(b"89ab".contains(&instance.as_bytes()[19]), "{instance}");
    }
}
