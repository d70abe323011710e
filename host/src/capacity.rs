//! How much the host takes on for its callers, by the memory and the open files that it may have.
//!
//! Each figure is a part of the memory, so that all of them together leave three eighths of it to guests, components and the host
//! itself; docs/operations.md has the table.

use std::path::Path;

use crate::open_files;

const MIB: u64 = 1 << 20;

/// Connections at once, where memory and open files allow them.
const MAX_CONNECTIONS: u64 = 20_000;

/// Bytes that an open connection may take: a head, what is read of a body at once, an answer's last piece.
const CONNECTION: u64 = 24 << 10;

/// Sessions at once, where memory allows them.
const MAX_SESSIONS: u64 = 20_000;

/// Bytes that a session takes, besides what it subscribes to.
const SESSION: u64 = 8 << 10;

/// The memory that the host is sized for where nothing limits it.
const UNLIMITED: u64 = 1 << 40;

/// Connections that may be open: an eighth of the memory, and two thirds of the open files that are to give.
pub fn connections() -> usize {
    let by_memory = (memory() / 8 / CONNECTION).clamp(64, MAX_CONNECTIONS);
    let by_memory = usize::try_from(by_memory).unwrap_or(usize::MAX);
    open_files::for_connections().map_or(by_memory, |files| files.min(by_memory))
}

/// Bytes of requests and answers in flight: a quarter of the memory.
pub fn in_flight() -> usize {
    part(4)
}

/// Sessions that may be open: an eighth of the memory.
pub fn sessions() -> usize {
    let sessions = (memory() / 8 / SESSION).clamp(64, MAX_SESSIONS);
    usize::try_from(sessions).unwrap_or(usize::MAX)
}

/// Bytes of what sessions subscribe to: a sixteenth of the memory.
pub fn subscriptions() -> usize {
    part(16)
}

/// Bytes of the tasks of each of so many tenants, where they are kept in memory: of all a sixteenth of the memory.
pub fn tasks(tenants: usize) -> u64 {
    let tenants = u64::try_from(tenants).unwrap_or(u64::MAX).max(1);
    (memory() / 16 / tenants).clamp(MIB, 64 * MIB)
}

fn part(of: u64) -> usize {
    let bytes = (memory() / of).clamp(4 * MIB, 1024 * MIB);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// The memory that the process may use: the least limit of its control groups, of cgroup v2 or v1.
fn memory() -> u64 {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = groups.lines().filter_map(|line| {
        if let Some(group) = line.strip_prefix("0::/") {
            return limit(Path::new("/sys/fs/cgroup"), group, "memory.max");
        }
        let (_, group) = line.split_once(":memory:/")?;
        limit(
            Path::new("/sys/fs/cgroup/memory"),
            group,
            "memory.limit_in_bytes",
        )
    });
    limits.min().unwrap_or(UNLIMITED)
}

/// The least limit of a group and those that it lies in. In a container the root is its own group.
fn limit(root: &Path, group: &str, file: &str) -> Option<u64> {
    let group = root.join(group);
    let groups = group
        .ancestors()
        .take_while(|group| group.starts_with(root));
    let limits = groups.filter_map(|group| {
        let limit = std::fs::read_to_string(group.join(file)).ok()?;
        // `max` is none.
        limit.trim().parse().ok()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_of_a_group_and_its_parents_counts() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("pods/one");
        std::fs::create_dir_all(&group).unwrap();
        assert_eq!(limit(root.path(), "pods/one", "memory.max"), None);
        std::fs::write(group.join("memory.max"), "max\n").unwrap();
        assert_eq!(limit(root.path(), "pods/one", "memory.max"), None);
        std::fs::write(root.path().join("pods/memory.max"), "268435456\n").unwrap();
        assert_eq!(
            limit(root.path(), "pods/one", "memory.max"),
            Some(256 << 20)
        );
        std::fs::write(group.join("memory.max"), "1048576\n").unwrap();
        assert_eq!(limit(root.path(), "pods/one", "memory.max"), Some(1 << 20));
        assert_eq!(limit(root.path(), "", "memory.max"), None);
    }
}
