//! Where a server may lead the host to: nowhere without TLS from where there was some, and no further into a network than it is
//! itself.

use std::net::{IpAddr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::address::Kind;

/// Redirects that are followed for one request.
pub const MAX_REDIRECTS: usize = 10;

/// How far inside a network an address lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// On the internet.
    Internet,
    /// In a network of its own.
    Network,
    /// On this machine, or on its link, as the metadata of clouds are.
    Machine,
}

impl Depth {
    /// That of an address; none where one cannot connect to it.
    pub fn of(address: IpAddr) -> Option<Self> {
        let address = address.to_canonical();
        let is_near = match address {
            IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
            IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local(),
        };
        match Kind::of(address) {
            Kind::Unusable => None,
            Kind::Public => Some(Self::Internet),
            Kind::Private if is_near => Some(Self::Machine),
            Kind::Private => Some(Self::Network),
        }
    }

    /// Whether who is there may lead to this address.
    fn reaches(self, address: IpAddr) -> bool {
        Self::of(address).is_some_and(|depth| depth <= self)
    }
}

/// Somebody leads to an address that they could not reach themselves.
#[derive(Debug, thiserror::Error)]
#[error("it leads further into the network than it is itself")]
pub struct FurtherIn;

/// Looks names up, and finds only what may be reached from a depth: the connection goes to one of those addresses.
pub struct Within(pub Depth);

impl Resolve for Within {
    fn resolve(&self, name: Name) -> Resolving {
        let depth = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let reached: Vec<SocketAddr> = found
                .filter(|address| depth.reaches(address.ip()))
                .collect();
            if reached.is_empty() {
                return Err(FurtherIn.into());
            }
            Ok(Box::new(reached.into_iter()) as Addrs)
        })
    }
}

/// Why a server of this depth may not lead from there to here, going by the URLs alone: names are looked at when they are
/// looked up.
pub fn refuse(from: &Url, to: &Url, depth: Depth) -> Result<(), String> {
    if to.scheme() != "https" && from.scheme() == "https" {
        return Err("it leads from https to plain http".to_owned());
    }
    if !matches!(to.scheme(), "http" | "https") {
        return Err(format!("it leads to a URL of the scheme `{}`", to.scheme()));
    }
    let host = to.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    match address {
        Ok(address) if !depth.reaches(address) => Err(FurtherIn.to_string()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use Depth::{Internet, Machine, Network};

    #[test]
    fn a_server_leads_no_further_in_than_it_is() {
        for (address, depth) in [
            ("8.8.8.8", Some(Internet)),
            ("2606:4700::1111", Some(Internet)),
            ("10.0.0.1", Some(Network)),
            ("100.64.0.1", Some(Network)),
            ("fd00::1", Some(Network)),
            ("::ffff:10.0.0.1", Some(Network)),
            ("127.0.0.1", Some(Machine)),
            ("::1", Some(Machine)),
            ("::ffff:127.0.0.1", Some(Machine)),
            ("169.254.169.254", Some(Machine)),
            ("fe80::1", Some(Machine)),
            ("0.0.0.0", None),
            ("224.0.0.1", None),
        ] {
            assert_eq!(Depth::of(address.parse().unwrap()), depth, "{address}");
        }
        let reaches = |depth: Depth, address: &str| depth.reaches(address.parse().unwrap());
        assert!(reaches(Internet, "8.8.8.8") && !reaches(Internet, "10.0.0.1"));
        assert!(reaches(Network, "10.0.0.1") && !reaches(Network, "169.254.169.254"));
        assert!(reaches(Machine, "169.254.169.254") && !reaches(Machine, "0.0.0.0"));
    }

    #[test]
    fn what_a_url_says_is_refused_before_anybody_is_asked() {
        let check = |from: &str, to: &str, depth| {
            refuse(&from.parse().unwrap(), &to.parse().unwrap(), depth)
        };
        assert!(check("https://a.io/", "https://b.io/", Internet).is_ok());
        assert!(check("http://a.io/", "http://b.io/", Internet).is_ok());
        assert!(check("http://a.io/", "http://127.0.0.1/", Machine).is_ok());
        for (from, to) in [
            ("https://a.io/", "http://a.io/"),
            ("https://a.io/", "file:///etc/passwd"),
            ("https://a.io/", "https://127.0.0.1/"),
            ("https://a.io/", "https://2130706433/"),
            ("https://a.io/", "https://0x7f.1/"),
            ("https://a.io/", "https://10.0.0.1/"),
            ("https://a.io/", "https://[::1]/"),
            ("https://a.io/", "https://[::ffff:169.254.169.254]/"),
            ("https://a.io/", "https://0.0.0.0/"),
        ] {
            assert!(check(from, to, Internet).is_err(), "{to}");
        }
    }

    #[tokio::test]
    async fn a_name_is_looked_up_to_what_may_be_reached() {
        let find = async |depth| {
            let found = Within(depth).resolve("localhost".parse().unwrap()).await;
            found
                .map(Iterator::count)
                .map_err(|error| error.is::<FurtherIn>())
        };
        assert!(find(Machine).await.is_ok_and(|count| count > 0));
        for depth in [Network, Internet] {
            assert_eq!(find(depth).await, Err(true));
        }
    }
}
