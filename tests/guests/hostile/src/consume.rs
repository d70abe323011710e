//! Tools that take more than they are given: time, memory, stack, the host's log.

use std::hint::black_box;
use std::time::{Duration, Instant};

use guest_support::{Outcome, host, value};

/// Burns instructions: for so many rounds.
pub fn spin(rounds: usize) -> Outcome {
    for round in 0..rounds {
        black_box(round);
    }
    value("spun".into())
}

/// Burns time with few instructions: each `memory.fill` writes 8 MiB.
pub fn spin_fill() -> ! {
    let mut buffer = vec![0_u8; 8 << 20];
    let mut byte: u8 = 0;
    loop {
        byte = byte.wrapping_add(1);
        buffer.fill(black_box(byte));
        black_box(&buffer);
    }
}

/// Burns time in the host: reads the clock without end.
pub fn spin_hostcall() -> ! {
    loop {
        black_box(Instant::now());
    }
}

/// Waits in a host call, where neither fuel nor epochs reach it.
pub fn sleep_forever() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3_600));
    }
}

/// Takes memory, and touches it, until there is none.
pub fn allocate_forever() -> ! {
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        held.push(vec![black_box(1); 1 << 20]);
        black_box(&held);
    }
}

/// Takes stack until there is none.
pub fn recurse(depth: u64) -> u64 {
    // A way out that is never taken, so that the compiler sees one.
    if black_box(false) {
        return depth;
    }
    let frame = black_box([depth; 64]);
    recurse(black_box(depth + 1)) + frame[(depth % 64) as usize]
}

/// Sends log messages of 100 bytes.
pub fn flood_log(lines: usize) -> Outcome {
    let line = "flood ".repeat(16);
    for _ in 0..lines {
        crate::log(&line);
    }
    value("flooded".into())
}

/// Prints lines of 100 bytes.
pub fn flood_stdout(lines: usize) -> Outcome {
    let line = "flood ".repeat(16);
    for _ in 0..lines {
        println!("{line}");
    }
    value("flooded".into())
}

/// Sends progress notifications without end.
pub fn flood_progress() -> ! {
    let mut step = 0.0;
    loop {
        step += 1.0;
        host::progress(step, None, Some("more"));
    }
}
