//! A Redis server for hosts to share.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::Folder;

/// A Redis server on a socket of its own, without a disk. Dropping it kills the process.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    folder: Folder,
}

impl Redis {
    /// Starts it, and waits until it answers.
    pub fn start() -> Self {
        const VARIABLE: &str = "SANDGLASS_REDIS_SERVER";
        let program = std::env::var_os(VARIABLE).unwrap_or_else(|| {
            panic!("{VARIABLE} is not set: run `cargo xtask test`, which has a server")
        });
        let folder = Folder::default();
        let mut child = Command::new(program)
            .current_dir(folder.path())
            .args(["--port", "0", "--unixsocket", "redis.sock", "--save", ""])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("SANDGLASS_REDIS_SERVER is a program");
        let output = child.stdout.take().expect("it is piped");
        let ready = BufReader::new(output)
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains("eady to accept connections"));
        assert!(ready, "the Redis server does not start");
        Self { child, folder }
    }

    /// A store in it, as a manifest writes one: the URL of a socket is only taken as a secret.
    pub fn store(&self) -> serde_json::Value {
        let socket = self.folder.path().join("redis.sock");
        let url = self
            .folder
            .write("url", format!("unix://{}", socket.display()));
        serde_json::json!({ "kind": "redis", "url": { "secret": { "file": url } } })
    }

    /// Ends it.
    pub fn kill(&mut self) {
        self.child
            .kill()
            .and_then(|()| self.child.wait().map(drop))
            .expect("the child is ours");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
