//! Raw sockets and name lookup.

use std::net::{IpAddr, SocketAddr};

use guest_support::{Value, json};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{
    IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp::OutgoingDatagram;
use wasip2::sockets::udp_create_socket::create_udp_socket;

use crate::{Answer, text, told};

/// `{name}`: its addresses.
pub fn resolve(arguments: &Value) -> Answer {
    let addresses =
        resolve_addresses(&instance_network(), text(arguments, "name")).map_err(told)?;
    let mut found = Vec::new();
    loop {
        addresses.subscribe().block();
        match addresses.resolve_next_address().map_err(told)? {
            Some(address) => found.push(told(address)),
            None => return Ok(json!(found)),
        }
    }
}

/// `{address}`: a TCP connection.
pub fn connect(arguments: &Value) -> Answer {
    let (address, family) = address(arguments)?;
    let socket = create_tcp_socket(family).map_err(told)?;
    socket
        .start_connect(&instance_network(), address)
        .map_err(told)?;
    socket.subscribe().block();
    socket.finish_connect().map_err(told)?;
    Ok(json!("connected"))
}

/// `{address}`: a TCP listener.
pub fn listen(arguments: &Value) -> Answer {
    let (address, family) = address(arguments)?;
    let socket = create_tcp_socket(family).map_err(told)?;
    socket
        .start_bind(&instance_network(), address)
        .map_err(told)?;
    socket.subscribe().block();
    socket.finish_bind().map_err(told)?;
    socket.start_listen().map_err(told)?;
    socket.subscribe().block();
    socket.finish_listen().map_err(told)?;
    Ok(json!("listening"))
}

/// `{address}`: a UDP datagram.
pub fn send_datagram(arguments: &Value) -> Answer {
    let (address, family) = address(arguments)?;
    let socket = create_udp_socket(family).map_err(told)?;
    let any = match family {
        IpAddressFamily::Ipv4 => "0.0.0.0:0",
        IpAddressFamily::Ipv6 => "[::]:0",
    };
    let any = any.parse().expect("this is an address");
    socket
        .start_bind(&instance_network(), wasi(any))
        .map_err(told)?;
    socket.subscribe().block();
    socket.finish_bind().map_err(told)?;
    let (_incoming, outgoing) = socket.stream(None).map_err(told)?;
    outgoing.subscribe().block();
    outgoing.check_send().map_err(told)?;
    let datagram = OutgoingDatagram {
        data: b"out".to_vec(),
        remote_address: Some(address),
    };
    let sent = outgoing.send(&[datagram]).map_err(told)?;
    Ok(json!(sent))
}

fn address(arguments: &Value) -> Result<(IpSocketAddress, IpAddressFamily), String> {
    let address: SocketAddr = text(arguments, "address").parse().map_err(told)?;
    let family = match address.ip() {
        IpAddr::V4(_) => IpAddressFamily::Ipv4,
        IpAddr::V6(_) => IpAddressFamily::Ipv6,
    };
    Ok((wasi(address), family))
}

fn wasi(address: SocketAddr) -> IpSocketAddress {
    match address {
        SocketAddr::V4(address) => IpSocketAddress::Ipv4(Ipv4SocketAddress {
            port: address.port(),
            address: address.ip().octets().into(),
        }),
        SocketAddr::V6(address) => IpSocketAddress::Ipv6(Ipv6SocketAddress {
            port: address.port(),
            flow_info: 0,
            address: address.ip().segments().into(),
            scope_id: 0,
        }),
    }
}
