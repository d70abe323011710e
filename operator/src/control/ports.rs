//! The ports of a shared host's tenants: a tenant keeps its port for as long as its Service is there.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use kube::ResourceExt;

use super::caches::Caches;
use crate::objects::name_of;
use crate::objects::shared::PORTS;

/// The ports that were given out, by namespace and server.
#[derive(Debug, Default)]
pub struct Ports(Mutex<HashMap<String, BTreeMap<String, u16>>>);

impl Ports {
    /// The port of a server: the one that its Service leads to, else the lowest that no Service and no other server has.
    /// (A Service may outlive its server for a moment, and must not lead to another's tools then.)
    pub fn of(&self, caches: &Caches, namespace: &str, server: &str) -> Option<u16> {
        let services: BTreeMap<String, u16> = caches
            .services(namespace)
            .iter()
            .filter_map(|service| {
                let port = service.data["spec"]["ports"][0]["targetPort"].as_u64()?;
                Some((service.name_any(), u16::try_from(port).ok()?))
            })
            .collect();
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let given = given.entry(namespace.to_owned()).or_default();
        choose(given, &services, server)
    }

    /// A server that is gone, or has a host of its own now, needs none.
    pub fn forget(&self, namespace: &str, server: &str) {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        given.get_mut(namespace).map(|given| given.remove(server));
    }
}

fn choose(
    given: &mut BTreeMap<String, u16>,
    services: &BTreeMap<String, u16>,
    server: &str,
) -> Option<u16> {
    if let Some(port) = given.get(server) {
        return Some(*port);
    }
    let is_free = |port: &u16| {
        !given
            .values()
            .chain(services.values())
            .any(|taken| taken == port)
    };
    let port = services
        .get(&name_of(server))
        .copied()
        .filter(|port| PORTS.contains(port));
    let port = port.filter(|port| !given.values().any(|taken| taken == port));
    let port = port.or_else(|| PORTS.clone().find(is_free))?;
    given.insert(server.to_owned(), port);
    Some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_stays_and_is_nobody_elses() {
        let mut given = BTreeMap::new();
        let services = BTreeMap::from([(name_of("a"), 20_005), (name_of("gone"), 20_000)]);
        assert_eq!(choose(&mut given, &services, "a"), Some(20_005));
        assert_eq!(choose(&mut given, &services, "b"), Some(20_001));
        assert_eq!(choose(&mut given, &services, "c"), Some(20_002));
        assert_eq!(choose(&mut given, &services, "a"), Some(20_005));
    }
}
