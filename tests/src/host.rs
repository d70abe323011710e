//! A running host: started with a manifest, stopped when dropped.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::log::Log;
use crate::{Answer, PATIENCE, eventually, root, within};

/// How a host is started. The environment is empty but for what is set here.
#[derive(Debug)]
pub struct Launch {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: TempDir,
    /// Where it runs, if not in its own folder.
    working_folder: Option<PathBuf>,
    /// How long it may take until it listens, if it does.
    listens_within: Option<Duration>,
}

impl Launch {
    /// `sandglass` with these arguments and no manifest.
    pub fn command(arguments: &[&str]) -> Self {
        let program = std::env::var_os("SANDGLASS_BIN")
            .map_or_else(|| root().join("target/debug/sandglass"), PathBuf::from);
        assert!(
            program.is_file(),
            "{} is missing: run `cargo xtask test`",
            program.display()
        );
        // Compiled components are shared by all hosts of a test run, as they are by hosts on one machine.
        let home = root().join("target/e2e-home");
        Self {
            program,
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: vec![
                ("HOME".into(), home.into()),
                ("PATH".into(), std::env::var_os("PATH").unwrap_or_default()),
                (
                    "SANDGLASS_TOOLS_DIR".into(),
                    root().join("target/tools").into(),
                ),
            ],
            folder: tempfile::tempdir().expect("a temporary folder"),
            working_folder: None,
            listens_within: None,
        }
    }

    /// `sandglass serve` on a free port, with what it serves by default.
    pub fn serve() -> Self {
        let mut launch = Self::command(&["serve", "--port", "0"]);
        launch.listens_within = Some(PATIENCE);
        // Hosts of tests that run at once must not fight for the default one.
        launch.env("SANDGLASS_MANAGEMENT_PORT", "0")
    }

    /// `sandglass dev` in a project's folder, on a free port.
    pub fn dev(project: &Path) -> Self {
        let mut launch = Self::command(&["dev", "--port", "0"]).arg(project);
        // It builds first.
        launch.listens_within = Some(PATIENCE * 20);
        launch.env("SANDGLASS_MANAGEMENT_PORT", "0")
    }

    /// The command of containers that have Python; the program must have Python's name. On a free port.
    pub fn python(program: &Path) -> Self {
        let mut launch = Self::command(&["-m", "mcptools.server"]).program(program);
        launch.listens_within = Some(PATIENCE);
        launch
            .env("SANDGLASS_MANAGEMENT_PORT", "0")
            .env("MCP_PORT", "0")
    }

    /// `sandglass serve` with a manifest.
    pub fn manifest(yaml: &str) -> Self {
        let launch = Self::serve();
        let file = launch.write("manifest.yaml", yaml);
        launch.arg("--config").arg(file)
    }

    /// One argument more.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// One environment variable more; an earlier one of that name is replaced.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self = self.env_remove(name);
        self.environment.push((name.into(), value.into()));
        self
    }

    /// One environment variable less.
    pub fn env_remove(mut self, name: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self
    }

    /// The program to run instead of the built one.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// Runs the program through another that is given the command line, such as `setpriv --reuid 65532`.
    pub fn through(mut self, wrapper: &[&str]) -> Self {
        let inner = std::mem::replace(&mut self.program, wrapper[0].into());
        let mut arguments: Vec<OsString> = wrapper[1..].iter().map(OsString::from).collect();
        arguments.push(inner.into());
        arguments.append(&mut self.arguments);
        self.arguments = arguments;
        self
    }

    /// Runs it in this folder.
    pub fn within(mut self, folder: &Path) -> Self {
        self.working_folder = Some(folder.to_owned());
        self
    }

    /// Writes a file into the launch's own folder and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("the temporary folder is ours");
        path
    }

    /// The launch's own folder; it is the working folder too, unless [`Launch::within`] names another.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The command, for those who want its pipes.
    pub fn as_command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.working_folder.as_deref().unwrap_or(self.folder.path()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Starts it and waits until it listens.
    pub async fn start(self) -> Host {
        let patience = self.listens_within.expect("only `serve` and `dev` listen");
        let mut child = self
            .as_command()
            .spawn()
            .expect("the program can be started");
        let log = Log::of(child.stderr.take().expect("stderr is piped"));
        let stdout = Log::of(child.stdout.take().expect("stdout is piped"));
        let url = within(patience, "the host listens", async || {
            if let Some(status) = child.try_wait().expect("the child is ours") {
                // What it wrote last may still be in the pipe.
                eventually("stderr ends", async || log.ended().then_some(())).await;
                panic!(
                    "the host ended with {status} instead of listening:\n{}",
                    log.text()
                );
            }
            log.url("listening on")
        })
        .await;
        // reqwest has no provider of its own where other crates of the workspace want it without.
        _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(PATIENCE * 2)
            .build()
            .expect("a client without TLS");
        Host {
            child,
            url,
            log,
            stdout,
            client,
            launch: self,
        }
    }

    /// Runs it to its end.
    pub async fn run(self) -> Finished {
        self.run_within(PATIENCE).await
    }

    /// Runs what may take long to its end.
    pub async fn run_within(self, patience: Duration) -> Finished {
        let mut child = self
            .as_command()
            .spawn()
            .expect("the program can be started");
        let read = async |pipe: &mut (dyn AsyncRead + Unpin + Send)| {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).await.expect("a pipe of ours");
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let mut stdout = child.stdout.take().expect("stdout is piped");
        let mut stderr = child.stderr.take().expect("stderr is piped");
        let whole = async {
            let (stdout, stderr) = tokio::join!(read(&mut stdout), read(&mut stderr));
            let status = child.wait().await.expect("the child is ours");
            Finished {
                code: status.code(),
                stdout,
                stderr,
            }
        };
        match tokio::time::timeout(patience, whole).await {
            Ok(finished) => finished,
            Err(_) => panic!("{:?} did not end within {patience:?}", self.arguments),
        }
    }
}

/// How a program ended.
#[derive(Debug)]
pub struct Finished {
    /// None where a signal ended it.
    pub code: Option<i32>,
    /// All that it wrote to stdout.
    pub stdout: String,
    /// All that it wrote to stderr.
    pub stderr: String,
}

impl Finished {
    /// Its stdout as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

/// A host that listens. Dropping it kills the process.
#[derive(Debug)]
pub struct Host {
    child: Child,
    url: String,
    log: Log,
    stdout: Log,
    client: reqwest::Client,
    launch: Launch,
}

impl Host {
    /// A host with a manifest.
    pub async fn start(manifest: &str) -> Self {
        Launch::manifest(manifest).start().await
    }

    /// Where it listens, as `http://127.0.0.1:PORT`, or with `https` where it has a certificate.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same without the scheme.
    pub fn authority(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// What it wrote to stderr so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// What it wrote to stdout so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// The folder that it was started in.
    pub fn folder(&self) -> &Path {
        self.launch.folder()
    }

    /// The folder, once the host is not needed any more.
    pub fn into_folder(self) -> TempDir {
        self.launch.folder
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it was not waited for")
    }

    /// A request that is still to be filled in.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// A request without a body.
    pub async fn ask(&self, method: Method, path: &str) -> Answer {
        send(self.request(method, path)).await
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path).await
    }

    /// `POST` of a text as JSON.
    pub async fn post(&self, path: &str, body: impl Into<String>) -> Answer {
        let request = self
            .request(Method::POST, path)
            .header("content-type", "application/json");
        send(request.body(body.into())).await
    }

    /// `GET` on the management port, which must have been asked for.
    pub async fn manage(&self, path: &str) -> Answer {
        send(self.client.get(self.management(path))).await
    }

    /// The same with this `Host` header.
    pub async fn manage_as(&self, name: &str, path: &str) -> Answer {
        send(self.client.get(self.management(path)).header("host", name)).await
    }

    /// Waits until so many calls of the default tenant run.
    pub async fn calls_running(&self, calls: u32) {
        let line = format!("sandglass_calls_running{{tenant=\"default\"}} {calls}\n");
        eventually("so many calls run", async || {
            let metrics = self.manage("/metrics").await.body;
            metrics.contains(&line).then_some(())
        })
        .await;
    }

    /// Waits until a call of this tool has ended well.
    pub async fn has_called(&self, tool: &str) {
        let counted = format!("tool=\"{tool}\",outcome=\"ok\"");
        eventually("the call has ended", async || {
            let metrics = self.manage("/metrics").await.body;
            metrics.contains(&counted).then_some(())
        })
        .await;
    }

    /// The same with this bearer token.
    pub async fn manage_by(&self, token: &str, path: &str) -> Answer {
        send(self.client.get(self.management(path)).bearer_auth(token)).await
    }

    /// A URL of the management port.
    pub fn management(&self, path: &str) -> String {
        let url = self.log.url("management on");
        let url = url.unwrap_or_else(|| panic!("no management port:\n{}", self.log()));
        // Bound to all addresses it is reached by this one.
        format!("{}{path}", url.replace("0.0.0.0", "127.0.0.1"))
    }

    /// A call over REST.
    pub async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.post(
            "/mcp/tools",
            serde_json::json!({ "tool": tool, "arguments": arguments }).to_string(),
        )
        .await
    }

    /// A call over REST that is not sent yet.
    pub fn prepare(&self, tool: &str, arguments: &Value) -> reqwest::RequestBuilder {
        let body = serde_json::json!({ "tool": tool, "arguments": arguments });
        self.request(Method::POST, "/mcp/tools")
            .body(body.to_string())
    }

    /// The names that `/ready` lists.
    pub async fn tools(&self) -> Vec<String> {
        let ready = self.get("/ready").await.json();
        let names = ready["tools"]
            .as_array()
            .unwrap_or_else(|| panic!("no list of tools: {ready}"));
        names
            .iter()
            .map(|name| name.as_str().expect("a name is a string").to_owned())
            .collect()
    }

    /// Panics unless the host answers as it should.
    pub async fn assert_well(&self) {
        let health = self.get("/health").await;
        assert_eq!(health.status, 200, "{health:?}\n{}", self.log());
    }

    /// Ends the process at once, without a word to it.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the child is ours");
    }

    /// Tells the process to end, as Kubernetes does.
    pub fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Tells the process to look at its sources again.
    pub fn hang_up(&self) {
        self.signal(rustix::process::Signal::HUP);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid().cast_signed())
            .expect("a process id is not zero");
        rustix::process::kill_process(pid, signal).expect("the process is ours");
    }

    /// Waits until the process ended by itself; its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status =
            status.unwrap_or_else(|_| panic!("still running after {PATIENCE:?}:\n{}", self.log()));
        status.expect("the child is ours").code()
    }

    /// The most memory that the process ever held, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.status_field("VmHWM:") * 1024
    }

    /// The memory that the process holds now, in bytes.
    pub fn memory(&self) -> u64 {
        self.status_field("VmRSS:") * 1024
    }

    fn status_field(&self, name: &str) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it is running");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .expect("Linux has this field");
        line.split_whitespace()
            .next()
            .and_then(|number| number.parse().ok())
            .expect("a number of kB")
    }

    /// Processor time used so far by the process.
    pub fn processor_time(&self) -> Duration {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("it is running");
        let (_, fields) = stat.rsplit_once(')').expect("the name is in brackets");
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|n| n.parse::<u64>().ok())
            .sum();
        Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second())
    }
}

/// Sends a request and reads its answer.
async fn send(request: reqwest::RequestBuilder) -> Answer {
    Answer::read(request.send().await.expect("the host answers")).await
}

/// A manifest with these sources.
pub fn manifest(tools: &Value) -> String {
    json!({ "version": 1, "tools": tools }).to_string()
}

/// A host with inline Python, as the runtime that it replaces is given it.
pub async fn serve_python(source: &str) -> Host {
    Launch::serve()
        .env("MCP_TOOLS_STRING", source)
        .start()
        .await
}

/// The one line about why a command has no component to do something with.
pub async fn refused(launch: Launch) -> String {
    let finished = launch.run().await;
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert_eq!(
        finished.stderr.trim_end().lines().count(),
        1,
        "{finished:?}"
    );
    finished.stderr
}
