//! What the numbers were measured on, and with what.

use std::fmt;
use std::fs;
use std::thread;

use serde::Serialize;

/// Which version of each library is in this build.
const LOCK: &str = include_str!("../../Cargo.lock");

/// The machine and the versions.
#[derive(Debug, Serialize)]
pub struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
    /// Over the minute before the benches: what else ran there.
    load: String,
    build: &'static str,
    sandglass: &'static str,
    wasmtime: &'static str,
    rmcp: &'static str,
    axum: &'static str,
    rustc: &'static str,
}

impl Machine {
    /// Looks around.
    pub fn look() -> Self {
        let first_of = |path, key: &str| {
            let text: String = fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(key));
            line.map_or_else(
                || "unknown".to_owned(),
                |line| line[key.len()..].trim_matches([' ', '\t', ':']).to_owned(),
            )
        };
        let load = first_of("/proc/loadavg", "");
        Self {
            cpu: first_of("/proc/cpuinfo", "model name"),
            cores: thread::available_parallelism().map_or(0, usize::from),
            kernel: first_of("/proc/sys/kernel/osrelease", ""),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
            build: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            },
            sandglass: locked("sandglass"),
            wasmtime: locked("wasmtime"),
            rmcp: locked("rmcp"),
            axum: locked("axum"),
            rustc: env!("BUILT_WITH"),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}, {} cores, Linux {}, load {}",
            self.cpu, self.cores, self.kernel, self.load
        )?;
        write!(
            f,
            "sandglass {} ({} build), wasmtime {}, rmcp {}, axum {}, {}",
            self.sandglass, self.build, self.wasmtime, self.rmcp, self.axum, self.rustc
        )
    }
}

/// The version of a package in the lock file.
fn locked(package: &str) -> &'static str {
    let entry = format!("name = \"{package}\"\nversion = \"");
    LOCK.split_once(&entry)
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("unknown", |(version, _)| version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_are_known() {
        for package in ["sandglass", "wasmtime", "rmcp", "axum"] {
            assert!(
                locked(package).starts_with(|first: char| first.is_ascii_digit()),
                "{package}"
            );
        }
    }
}
