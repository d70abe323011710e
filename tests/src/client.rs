//! Programs that are written in other languages: the official clients.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::{Finished, PATIENCE, root};

/// A program named by an environment variable that `cargo xtask test` sets.
pub fn client_program(variable: &str) -> PathBuf {
    std::env::var_os(variable)
        .unwrap_or_else(|| {
            panic!("{variable} is not set: run `cargo xtask test`, which installs the clients")
        })
        .into()
}

/// A client that is run once, to its end.
#[derive(Debug)]
pub struct Client(Command);

impl Client {
    /// A script of `tests/clients`, run by the Python that a variable names.
    pub fn python(variable: &str, script: &str) -> Self {
        Self::program(variable).arg(root().join("tests/clients").join(script).into_os_string())
    }

    /// The program that a variable names.
    pub fn program(variable: &str) -> Self {
        let mut command = Command::new(client_program(variable));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self(command)
    }

    /// One argument more.
    pub fn arg(mut self, argument: impl Into<std::ffi::OsString>) -> Self {
        self.0.arg(argument.into());
        self
    }

    /// Several arguments more.
    pub fn args(mut self, arguments: &[&str]) -> Self {
        self.0.args(arguments);
        self
    }

    /// One environment variable more.
    pub fn env(mut self, name: &str, value: impl Into<std::ffi::OsString>) -> Self {
        self.0.env(name, value.into());
        self
    }

    /// Where it runs, if not where the test does.
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.0.current_dir(folder);
        self
    }

    /// Runs it to its end.
    pub async fn run(mut self) -> Finished {
        let output = tokio::time::timeout(PATIENCE * 3, self.0.output()).await;
        let output = output
            .unwrap_or_else(|_| panic!("{:?} did not end", self.0))
            .expect("the client can be started");
        Finished {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs it and panics unless it ended well.
    pub async fn succeed(self) -> Finished {
        let finished = self.run().await;
        assert_eq!(
            finished.code,
            Some(0),
            "the client failed\n{}\n{}",
            finished.stdout,
            finished.stderr
        );
        finished
    }
}
