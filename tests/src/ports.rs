//! Ports for programs that take none of the system's choice.

use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;

/// Below those that Linux gives to clients and to who binds port 0: nobody takes one of them by chance.
const PORTS: std::ops::Range<u16> = 16_384..32_768;

/// Ports of loopback that nobody listens on now.
pub fn free_ports<const N: usize>() -> [u16; N] {
    // All are held until all are found, so that they differ.
    let listeners = [(); N].map(|()| {
        loop {
            let random = RandomState::new().hash_one(()) % u64::from(PORTS.end - PORTS.start);
            let port =
                PORTS.start + u16::try_from(random).expect("it is less than there are ports");
            if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
                break listener;
            }
        }
    });
    listeners.map(|listener| listener.local_addr().expect("it is bound").port())
}
