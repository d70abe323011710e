//! How much memory a process has.

use std::fs;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Memory in kB.
#[derive(Serialize, Deserialize)]
pub struct Memory {
    /// All that is resident, with pages of the mapped machine code, which the system can drop again.
    pub resident: f64,
    /// What only this process has.
    pub private: f64,
}

impl Memory {
    /// Of a process, now.
    pub fn of(process: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            let number = number.with_context(|| format!("/proc/{process}/status has no {name}"))?;
            anyhow::Ok(number.parse()?)
        };
        Ok(Self {
            resident: field("VmRSS:")?,
            private: field("RssAnon:")?,
        })
    }
}
