//! What an address leads to: a host of the internet, or one that only who is inside a network can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// What an address leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A host of the internet.
    Public,
    /// This machine, its network, a cloud's metadata, or what nobody should serve from: only where a rule says `private`.
    Private,
    /// Nothing that one connects to: unspecified, multicast, broadcast.
    Unusable,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

const UNUSABLE_V4: [Ipv4Net; 3] = [
    // "This network" (RFC 1122): Linux takes 0.0.0.0 for loopback.
    v4(0, 0, 0, 0, 8),
    v4(224, 0, 0, 0, 4),
    v4(255, 255, 255, 255, 32),
];

/// The IANA IPv4 Special-Purpose Address Registry (RFC 6890), and an address of Azure's.
const PRIVATE_V4: [Ipv4Net; 14] = [
    v4(10, 0, 0, 0, 8),
    // Shared address space; Alibaba's metadata at 100.100.100.200.
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    // Link-local; metadata of most clouds at 169.254.169.254.
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    // IETF protocol assignments; Oracle's metadata at 192.0.0.192.
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    // 6to4 relays, deprecated (RFC 7526).
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(240, 0, 0, 0, 4),
    // Azure's WireServer, the host of a virtual machine.
    v4(168, 63, 129, 16, 32),
];

/// All that is assigned to hosts of the internet.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// What of it is not theirs (RFC 6890): Teredo, benchmarking and other protocol assignments; documentation.
const PRIVATE_V6: [Ipv6Net; 3] = [
    v6(0x2001, 0, 0, 23),
    v6(0x2001, 0xdb8, 0, 32),
    v6(0x3fff, 0, 0, 20),
];

/// An IPv4 address behind a translator (RFC 6052).
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);

/// An IPv4 address at the end of a tunnel (RFC 3056).
const SIX_TO_FOUR: Ipv6Net = v6(0x2002, 0, 0, 16);

impl Kind {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

fn of_v4(address: Ipv4Addr) -> Kind {
    if UNUSABLE_V4.iter().any(|net| net.contains(&address)) {
        Kind::Unusable
    } else if PRIVATE_V4.iter().any(|net| net.contains(&address)) {
        Kind::Private
    } else {
        Kind::Public
    }
}

fn of_v6(address: Ipv6Addr) -> Kind {
    if let Some(embedded) = embedded(address) {
        return of_v4(embedded);
    }
    if address.is_unspecified() || address.is_multicast() {
        Kind::Unusable
    } else if !GLOBAL_V6.contains(&address) || PRIVATE_V6.iter().any(|net| net.contains(&address)) {
        Kind::Private
    } else {
        Kind::Public
    }
}

/// The IPv4 address that packets end up at.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let at = |start: usize| {
        let [a, b, c, d] = [0, 1, 2, 3].map(|index| octets[start + index]);
        Ipv4Addr::new(a, b, c, d)
    };
    if NAT64.contains(&address) {
        Some(at(12))
    } else if SIX_TO_FOUR.contains(&address) {
        Some(at(2))
    } else {
        address.to_ipv4_mapped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind(address: &str) -> Kind {
        Kind::of(address.parse().unwrap())
    }

    #[test]
    fn hosts_of_the_internet_are_public() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2a00::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert_eq!(kind(address), Kind::Public, "{address}");
        }
    }

    #[test]
    fn addresses_of_machines_networks_and_metadata_are_private() {
        for address in [
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "169.254.170.2",
            "100.64.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "192.0.2.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "240.0.0.1",
            "168.63.129.16",
            "::1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "2001::1",
            "2001:2::1",
            "2001:db8::1",
            "3fff::1",
            "100::1",
            "5f00::1",
            "64:ff9b:1::a9fe:a9fe",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
        ] {
            assert_eq!(kind(address), Kind::Private, "{address}");
        }
    }

    #[test]
    fn unspecified_multicast_and_broadcast_are_unusable() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "::",
            "ff02::1",
            "::ffff:0.0.0.0",
            "64:ff9b::",
            "2002:e000:1::",
        ] {
            assert_eq!(kind(address), Kind::Unusable, "{address}");
        }
    }

    proptest! {
        #[test]
        fn no_embedding_makes_a_private_address_public(
            net in proptest::sample::select([&UNUSABLE_V4[..], &PRIVATE_V4[..]].concat()),
            host: u32,
            rest: u128,
        ) {
            let address = u32::from(net.network()) | (host & u32::from(net.hostmask()));
            prop_assert_ne!(Kind::of(Ipv4Addr::from(address).into()), Kind::Public);
            let low = u128::from(address);
            for embedded in [
                low,
                0xffff << 32 | low,
                0xffff << 48 | low,
                0x64_ff9b << 96 | low,
                0x64_ff9b_0001 << 80 | rest >> 48 << 32 | low,
                0x2002 << 112 | low << 80 | rest >> 48,
                0x2001 << 112 | (rest >> 32 & !0xffff_ffff) | u128::from(!address),
            ] {
                prop_assert_ne!(Kind::of(Ipv6Addr::from(embedded).into()), Kind::Public);
            }
        }
    }
}
