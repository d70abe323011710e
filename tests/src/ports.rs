//! Ports for programs that take none of the system's choice.

use std::net::TcpListener;

/// Ports of loopback that nobody listens on now.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners =
        [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port on loopback"));
    listeners.map(|listener| listener.local_addr().expect("it is bound").port())
}
