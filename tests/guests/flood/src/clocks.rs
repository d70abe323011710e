//! Clocks, and waiting for them.

use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::io::poll::{Pollable, poll};

use crate::{Function, each};

/// Pollables at once: nearly as many as a guest can hold, for each takes two resources.
const POLLABLES: usize = 160;

/// Bytes that the host counts for a pollable that is named.
const NAMED: usize = 32;

pub const FUNCTIONS: &[Function] = &[
    ("wasi:clocks/monotonic-clock#now", |_| {
        each(monotonic_clock::now)
    }),
    ("wasi:clocks/monotonic-clock#resolution", |_| {
        each(monotonic_clock::resolution)
    }),
    ("wasi:clocks/monotonic-clock#subscribe-instant", |_| {
        each(|| monotonic_clock::subscribe_instant(u64::MAX))
    }),
    ("wasi:clocks/monotonic-clock#subscribe-duration", |_| {
        each(|| monotonic_clock::subscribe_duration(u64::MAX))
    }),
    ("wasi:clocks/wall-clock#now", |_| each(wall_clock::now)),
    ("wasi:clocks/wall-clock#resolution", |_| {
        each(wall_clock::resolution)
    }),
    ("wasi:io/poll#[method]pollable.ready", |_| {
        let pollable = ready();
        each(move || pollable.ready())
    }),
    ("wasi:io/poll#[method]pollable.block", |_| {
        let pollable = ready();
        each(move || pollable.block())
    }),
    ("wasi:io/poll#poll", |_| {
        let pollables = (0..POLLABLES).map(|_| ready()).collect::<Vec<_>>().leak();
        let all: Vec<&Pollable> = pollables.iter().collect();
        each(move || poll(&all))
    }),
    ("wasi:io/poll#poll of one that is named often", |size| {
        let pollable: &Pollable = Box::leak(Box::new(ready()));
        let all = vec![pollable; size / NAMED + 1];
        each(move || poll(&all))
    }),
];

fn ready() -> Pollable {
    monotonic_clock::subscribe_duration(0)
}
