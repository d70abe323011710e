//! Sockets, which are refused when they are made, and name lookup, which is refused too.

use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::IpAddressFamily;
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp_create_socket::create_udp_socket;

use crate::{Function, each, text};

pub const FUNCTIONS: &[Function] = &[
    ("wasi:sockets/instance-network#instance-network", |_| {
        each(instance_network)
    }),
    ("wasi:sockets/ip-name-lookup#resolve-addresses", |size| {
        let (network, name) = (instance_network(), text(size));
        each(move || resolve_addresses(&network, &name))
    }),
    ("wasi:sockets/tcp-create-socket#create-tcp-socket", |_| {
        each(|| create_tcp_socket(IpAddressFamily::Ipv4))
    }),
    ("wasi:sockets/udp-create-socket#create-udp-socket", |_| {
        each(|| create_udp_socket(IpAddressFamily::Ipv6))
    }),
];
