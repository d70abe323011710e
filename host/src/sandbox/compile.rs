//! From a component's bytes to machine code: looked up in the cache, else
//! compiled, bounded in size, time and memory, away from the serving threads.

use std::fs::Permissions;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Resource, Rlimit, setpriority_process, setrlimit};
use sandglass_manifest::ByteSize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::cache::{self, CodeFile};
use super::compiled::{LoadError, check_kind};
use super::engine::{Engine, compile_config};
use super::lanes::NICENESS;
use super::segments;
use crate::source::Digest;

/// Bytes of a component. CPython with its standard library has about 40 MiB.
pub const MAX_COMPONENT: u64 = 128 << 20;

/// Time that compiling one component may take. CPython takes about 15 s of CPU.
const MAX_COMPILE_TIME: Duration = Duration::from_secs(180);

/// Address space of the process that compiles. CPython needs about 1 GiB.
const MAX_COMPILE_MEMORY: u64 = 4 << 30;

/// Machine code that is accepted back from that process.
const MAX_CODE: u64 = 1 << 30;

/// How the process ends that nobody waits for.
const ABANDONED: i32 = 3;

/// The hidden subcommand of our own binary that compiles from stdin to stdout.
pub const COMPILE_SUBCOMMAND: &str = "compile-component";

/// How components are compiled.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// In a process of its own: this binary's `compile-component`.
    Process(PathBuf),
    /// In this process, on a blocking thread: for trusted components in tests and benches.
    InProcess,
}

/// The longest text of what is wrong with a component, in bytes.
const MAX_REASON: usize = 4 << 10;

/// Why a component could not be compiled.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CompileError {
    /// Too many bytes.
    #[error("the component has {size} bytes; at most {MAX_COMPONENT} are accepted")]
    TooLarge {
        /// Bytes.
        size: u64,
    },
    /// It is no valid component.
    #[error(
        "not a valid component: {0}; it is damaged, or needs what this host does not support: build or copy it again"
    )]
    Invalid(String),
    /// It took too long.
    #[error("compiling took longer than {} s", MAX_COMPILE_TIME.as_secs())]
    TooSlow,
    /// The compiling process ended without a word, most likely for lack of memory.
    #[error("the compiler was ended ({reason}); it may use {limit} of address space", limit = ByteSize::bytes(MAX_COMPILE_MEMORY))]
    Ended {
        /// How it ended.
        reason: String,
    },
    /// The compiling process could not be started or spoken to.
    #[error("the compiler cannot be run: {0}")]
    Io(Arc<std::io::Error>),
    /// The machine code does not fit this engine.
    #[error("the compiled component cannot be used here: {0}")]
    Unusable(String),
}

impl From<std::io::Error> for CompileError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

fn ended(reason: &dyn std::fmt::Display) -> CompileError {
    CompileError::Ended {
        reason: reason.to_string(),
    }
}

/// The file of a component's machine code, whole and checked, if it was compiled before.
pub(super) async fn find(engine: &Engine, digest: &Digest) -> Option<CodeFile> {
    let (engine, digest) = (engine.clone(), digest.clone());
    let find = move || engine.cache.find(&digest, engine.compatibility_hash());
    tokio::task::spawn_blocking(find).await.ok().flatten()
}

/// Maps machine code.
pub(super) async fn map(
    engine: &Engine,
    file: &CodeFile,
) -> wasmtime::Result<wasmtime::component::Component> {
    let (engine, path) = (engine.clone(), file.path());
    // SAFETY: only its owner can write the file (root or we; of a seed, who owns the program), and it
    // was sealed for this component and engine (`cache::find`): such files are only written by `cache::write`.
    let map =
        move || unsafe { wasmtime::component::Component::deserialize_file(&engine.wasmtime, path) };
    tokio::task::spawn_blocking(map).await?
}

/// Compiles a component whose turn it is, and keeps its machine code.
pub(super) async fn compile(
    engine: &Engine,
    digest: &Digest,
    bytes: Bytes,
) -> Result<wasmtime::component::Component, CompileError> {
    let size = bytes.len() as u64;
    if size > MAX_COMPONENT {
        return Err(CompileError::TooLarge { size });
    }
    tracing::debug!(%digest, "compiling");
    let code = match &engine.compiler {
        Compiler::Process(binary) => {
            tokio::time::timeout(MAX_COMPILE_TIME, compile_in_process(binary, &bytes))
                .await
                .map_err(|_| CompileError::TooSlow)??
        }
        Compiler::InProcess => {
            let engine = engine.clone();
            tokio::task::spawn_blocking(move || precompile(&engine.wasmtime, &bytes))
                .await
                .map_err(|error| ended(&error))?
                .map_err(|error| CompileError::Invalid(format!("{error:#}")))?
        }
    };
    let (engine, digest) = (engine.clone(), digest.clone());
    tokio::task::spawn_blocking(move || {
        engine
            .cache
            .keep(&digest, engine.compatibility_hash(), &code);
        // SAFETY: the bytes are what this engine's own compiler just produced.
        unsafe { wasmtime::component::Component::deserialize(&engine.wasmtime, &code) }
            .map_err(|error| CompileError::Unusable(format!("{error:#}")))
    })
    .await
    .map_err(|error| ended(&error))?
}

fn precompile(engine: &wasmtime::Engine, bytes: &[u8]) -> wasmtime::Result<Vec<u8>> {
    segments::check(bytes)?;
    engine.precompile_component(bytes)
}

async fn compile_in_process(binary: &Path, bytes: &[u8]) -> Result<Vec<u8>, CompileError> {
    let mut child = Command::new(binary)
        .arg(COMPILE_SUBCOMMAND)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        unreachable!("all three streams are piped above");
    };
    let (mut code, mut message) = (Vec::new(), String::new());
    let (written, read, _) = tokio::join!(
        async {
            stdin.write_all(&(bytes.len() as u64).to_le_bytes()).await?;
            stdin.write_all(bytes).await?;
            stdin.flush().await
        },
        async { stdout.take(MAX_CODE).read_to_end(&mut code).await },
        async { stderr.take(16 << 10).read_to_string(&mut message).await },
    );
    let status = child.wait().await?;
    // Until now: the process ends with whoever has it compile.
    drop(stdin);
    match status.code() {
        Some(0) => {
            written?;
            read?;
            Ok(code)
        }
        Some(1) => {
            let mut reason = message.trim().to_owned();
            reason.truncate(reason.floor_char_boundary(MAX_REASON));
            Err(CompileError::Invalid(reason))
        }
        _ => Err(ended(&status)),
    }
}

/// The compiling process itself: on stdin a component after its length (eight bytes, the lowest first), on stdout machine code.
/// An invalid component is reported on stderr, with exit code 1. When stdin ends, so does the process: nobody waits for the code.
pub fn run_compiler() -> wasmtime::Result<()> {
    bound_this_process();
    let mut stdin = std::io::stdin().lock();
    let mut length = [0; 8];
    stdin.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length).min(MAX_COMPONENT);
    let mut bytes = Vec::new();
    stdin.by_ref().take(length).read_to_end(&mut bytes)?;
    drop(stdin);
    std::thread::spawn(|| {
        _ = std::io::stdin().lock().read(&mut [0]);
        std::process::exit(ABANDONED);
    });
    let engine = wasmtime::Engine::new(&compile_config()?)?;
    let code = precompile(&engine, &bytes)?;
    std::io::stdout().lock().write_all(&code)?;
    Ok(())
}

/// Bounds are best effort: where one can't be set, the parent's time limit holds still.
fn bound_this_process() {
    // Before there are other threads: those that compile are begun by this one, and are as nice.
    _ = setpriority_process(None, NICENESS);
    let limit = |value| Rlimit {
        current: Some(value),
        maximum: Some(value),
    };
    _ = setrlimit(Resource::As, limit(MAX_COMPILE_MEMORY));
    _ = setrlimit(Resource::Cpu, limit(2 * MAX_COMPILE_TIME.as_secs()));
    _ = setrlimit(Resource::Core, limit(0));
    // When memory runs out in the container, this process goes, not the server.
    _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}

/// Why a component is not in the seed.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// It is no component.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The folder can't be written to.
    #[error("the seed folder cannot be written to: {0}; name another, or make it writable")]
    Write(#[from] std::io::Error),
}

/// Compiles a component into a read-only seed folder.
pub async fn seed(engine: &Engine, folder: &Path, bytes: Bytes) -> Result<PathBuf, SeedError> {
    check_kind(&bytes)?;
    let digest = Digest::of(&bytes);
    let code = match &engine.compiler {
        Compiler::Process(binary) => compile_in_process(binary, &bytes)
            .await
            .map_err(LoadError::from)?,
        Compiler::InProcess => precompile(&engine.wasmtime, &bytes)
            .map_err(|error| LoadError::from(CompileError::Invalid(format!("{error:#}"))))?,
    };
    let path = cache::write_seed(folder, &digest, engine.compatibility_hash(), &code)?;
    // Made by root when the image is built, read by another user when it runs.
    std::fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o644))?;
    Ok(path)
}
