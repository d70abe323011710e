//! A small container's share of the machine, by Linux control groups.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

const ROOT: &str = "/sys/fs/cgroup";

/// A control group with 256 MiB of memory, as Kubernetes makes it for `limits: { memory: 256Mi }`.
pub struct Cgroup {
    folders: Vec<PathBuf>,
}

impl Cgroup {
    /// Makes one with half a processor (`cpu: 500m`); fails where this machine lets us make none.
    pub fn half_a_processor() -> io::Result<Self> {
        Self::limited(true)
    }

    /// Makes one with all processors; fails where this machine lets us make none.
    pub fn all_processors() -> io::Result<Self> {
        Self::limited(false)
    }

    fn limited(half_a_processor: bool) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "sandglass-test-{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::Relaxed)
        );
        let memory = (256 << 20).to_string();
        if fs::read_to_string(Path::new(ROOT).join("cgroup.controllers"))
            .is_ok_and(|has| has.contains("cpu") && has.contains("memory"))
        {
            let mut settings = vec![("memory.max", memory.as_str())];
            if half_a_processor {
                settings.push(("cpu.max", "50000 100000"));
            }
            return Self::make(&[("", &settings)], &name);
        }
        let cpu = [
            ("cpu.cfs_period_us", "100000"),
            ("cpu.cfs_quota_us", "50000"),
        ];
        let memory = [("memory.limit_in_bytes", memory.as_str())];
        let mut parts: Vec<(&str, &[(&str, &str)])> = vec![("memory", &memory)];
        if half_a_processor {
            parts.push(("cpu", &cpu));
        }
        Self::make(&parts, &name)
    }

    fn make(parts: &[(&str, &[(&str, &str)])], name: &str) -> io::Result<Self> {
        let mut group = Self { folders: vec![] };
        for (controller, settings) in parts {
            let folder = Path::new(ROOT).join(controller).join(name);
            fs::create_dir(&folder)?;
            group.folders.push(folder.clone());
            for (file, value) in *settings {
                fs::write(folder.join(file), value)?;
            }
        }
        Ok(group)
    }

    /// A command line that joins the group and then runs what follows it.
    pub fn join(&self) -> [String; 4] {
        let files: Vec<String> = self
            .folders
            .iter()
            .map(|folder| format!("'{}/cgroup.procs'", folder.display()))
            .collect();
        let script = format!(
            "echo $$ | tee {} >/dev/null && exec \"$@\"",
            files.join(" ")
        );
        ["sh".into(), "-c".into(), script, "sh".into()]
    }

    /// How often a process of the group was killed since the group had no memory left.
    pub fn killed(&self) -> u64 {
        let field = |text: String| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("oom_kill "))?;
            line.trim().parse::<u64>().ok()
        };
        self.folders
            .iter()
            .flat_map(|folder| {
                ["memory.events", "memory.oom_control"].map(|file| folder.join(file))
            })
            .filter_map(|file| fs::read_to_string(file).ok())
            .find_map(field)
            .expect("the kernel counts kills")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in &self.folders {
            // Its processes have ended: launches end theirs before groups are dropped.
            _ = fs::remove_dir(folder);
        }
    }
}
