//! What changes while a host runs: files and mounted folders; and what the host is like afterwards.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::{Folder, Host, eventually};

/// As editors and `sandglass build` do it: a whole file takes the other's place.
pub fn replace(path: &Path, content: impl AsRef<[u8]>) {
    let new = path.with_extension("new");
    std::fs::write(&new, content).expect("the folder is ours");
    std::fs::rename(new, path).expect("the folder is ours");
}

/// A folder as Kubernetes mounts a ConfigMap or Secret: its versions lie in hidden folders, `..data` is a link to the
/// one that counts, and each key is a link through that.
#[derive(Debug, Default)]
pub struct Mounted {
    folder: Folder,
    version: u32,
}

impl Mounted {
    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A key's path.
    pub fn key(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Makes these keys and values those that count, at once, as the kubelet does. Keys that were there stay names
    /// that lead nowhere if they are not among them.
    pub fn set(&mut self, values: &[(&str, &[u8])]) {
        self.version += 1;
        let version = format!("..{}", self.version);
        std::fs::create_dir(self.key(&version)).expect("the folder is ours");
        for (name, value) in values {
            std::fs::write(self.key(&version).join(name), value).expect("the folder is ours");
        }
        symlink(version, self.key("..data_tmp")).expect("the folder is ours");
        std::fs::rename(self.key("..data_tmp"), self.key("..data")).expect("the folder is ours");
        for (name, _) in values {
            // Already there, unless the key is new.
            _ = symlink(Path::new("..data").join(name), self.key(name));
        }
    }
}

/// Waits until these are its tools.
pub async fn serves(host: &Host, tools: &[&str]) {
    eventually(&format!("it serves {tools:?}"), async || {
        (host.tools().await == tools).then_some(())
    })
    .await;
}

/// The reason that `/ready` gives for being degraded, once it is.
pub async fn degraded(host: &Host) -> String {
    eventually("it is degraded", async || {
        let ready = host.get("/ready").await.json();
        (ready["status"] == "degraded").then(|| ready["failures"].to_string())
    })
    .await
}

/// Waits until nothing is wrong with it.
pub async fn well(host: &Host) {
    eventually("it is well", async || {
        (host.manage("/ready").await.json()["status"] == "ready").then_some(())
    })
    .await;
}
