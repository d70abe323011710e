//! The files that the process may have open (`ulimit -n`), and who gets how many: with each component and each connection one is
//! open. Where there are few, neither may take all of them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Has as many as the system allows: the usual 1,024 are for programs that wait with `select(2)`.
pub fn allow_many() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: maximum,
        maximum,
    };
    // Without it there is room for fewer.
    _ = setrlimit(Resource::Nofile, all);
}

/// How many there may be; none where there is no limit.
pub fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Components that may be loaded, and never none.
pub fn for_components() -> Option<usize> {
    limit().map(|files| share(to_give(files) / 3))
}

/// Connections that may be open, and never none: each agent that waits for news has one.
pub fn for_connections() -> Option<usize> {
    limit().map(|files| share(to_give(files) / 3 * 2))
}

/// Files and sockets of guests, and never none. What the host itself needs is as much again.
pub fn for_guests() -> usize {
    limit().map_or(MOST_OF_GUESTS, |files| share(files / 8).min(MOST_OF_GUESTS))
}

/// Connections to the management port, and never none.
pub fn for_management() -> usize {
    limit().map_or(MOST_OF_MANAGEMENT, |files| {
        share(files / 32).min(MOST_OF_MANAGEMENT)
    })
}

/// Connections to the management port where the process may open any number of files.
const MOST_OF_MANAGEMENT: usize = 64;

/// Files and sockets of guests where the process may have any number.
const MOST_OF_GUESTS: usize = 10_000;

/// What is left when some are kept back for caches, downloads and what guests reach.
fn to_give(files: u64) -> u64 {
    files - (files / 4).min(2 * MOST_OF_GUESTS as u64)
}

fn share(files: u64) -> usize {
    usize::try_from(files).unwrap_or(usize::MAX).max(1)
}
