//! Randomness.

use wasip2::random::{insecure, insecure_seed, random};

use crate::{Function, each};

/// Bytes that the host draws at once.
const MOST: usize = 64 << 10;

pub const FUNCTIONS: &[Function] = &[
    ("wasi:random/random#get-random-bytes", |size| {
        each(move || random::get_random_bytes(size.min(MOST) as u64))
    }),
    ("wasi:random/random#get-random-u64", |_| {
        each(random::get_random_u64)
    }),
    ("wasi:random/insecure#get-insecure-random-bytes", |size| {
        each(move || insecure::get_insecure_random_bytes(size.min(MOST) as u64))
    }),
    ("wasi:random/insecure#get-insecure-random-u64", |_| {
        each(insecure::get_insecure_random_u64)
    }),
    ("wasi:random/insecure-seed#insecure-seed", |_| {
        each(insecure_seed::insecure_seed)
    }),
];
