//! `cargo xtask ci`: what must hold before a change is merged.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{cargo, output, run as run_command, step, works};
use crate::tools::{CONFORMANCE, FIRST_PARTY, GUESTS};
use crate::{clients, interpreters, project, test};

/// The version of cargo-deny that deny.toml is written for.
const CARGO_DENY: &str = "0.20.2";

/// What is said where known vulnerabilities could not be looked up.
const NO_ADVISORIES: &str = "WARNING: KNOWN VULNERABILITIES WERE NOT CHECKED: RustSec's database on github.com cannot be had from here";

/// Checks everything, the quickest first.
pub fn run() -> Result<()> {
    components()?;
    let workspaces = [
        project::root().join("Cargo.toml"),
        FIRST_PARTY.manifest(),
        GUESTS.manifest(),
        CONFORMANCE.manifest(),
        interpreters::javascript_manifest(),
    ];

    step("formatting and lock files");
    for manifest in &workspaces {
        let mut fmt = cargo("fmt");
        run_command(
            fmt.args(["--check", "--all", "--manifest-path"])
                .arg(manifest),
        )?;
        // Resolves without building anything, and fails where Cargo.lock would have to change.
        let mut tree = cargo("tree");
        output(
            tree.args(["--locked", "--depth=0", "--manifest-path"])
                .arg(manifest),
        )?;
    }

    step("the Dockerfiles");
    let mut hadolint = Command::new(clients::hadolint()?);
    hadolint.args(["Dockerfile", "deploy/kubernetes/operator.Dockerfile"]);
    run_command(hadolint.current_dir(project::root()))?;

    step("licences and sources of dependencies");
    let advisories = dependencies(&workspaces)?;

    step("lints");
    let mut host = cargo("clippy");
    run_command(host.args(["--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let mut tools = cargo("clippy");
    tools.env("CARGO_TARGET_DIR", project::target("native-tools"));
    tools.arg("--manifest-path").arg(FIRST_PARTY.manifest());
    run_command(tools.args(["--workspace", "--all-targets", "--", "-D", "warnings"]))?;

    let mut javascript = cargo("clippy");
    javascript.env("CARGO_TARGET_DIR", project::target("native-javascript"));
    javascript
        .arg("--manifest-path")
        .arg(interpreters::javascript_manifest());
    run_command(javascript.args(["--all-targets", "--", "-D", "warnings"]))?;

    test::run(&[])?;
    if !advisories {
        step(NO_ADVISORIES);
    }
    step("all checks passed");
    Ok(())
}

/// Adds rustfmt and clippy to the active toolchain where they are missing.
fn components() -> Result<()> {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !works(cargo(subcommand).arg("--version")) {
            step(format_args!("installing {component} with rustup"));
            run_command(Command::new("rustup").args(["component", "add", component]))
                .with_context(|| format!("{component} is missing and cannot be installed"))?;
        }
    }
    Ok(())
}

/// Checks the dependencies against deny.toml; whether known vulnerabilities could be looked up too.
fn dependencies(workspaces: &[PathBuf]) -> Result<bool> {
    let program = cargo_deny()?;
    let deny = |manifest: &PathBuf| {
        let mut command = Command::new(&program);
        command
            .arg("--manifest-path")
            .arg(manifest)
            .arg("--config")
            .arg(project::root().join("deny.toml"));
        command.arg("--log-level=warn");
        command
    };
    for manifest in workspaces {
        run_command(deny(manifest).args(["check", "licenses", "bans", "sources"]))?;
    }
    if run_command(deny(&workspaces[0]).args(["fetch", "db"])).is_err() {
        step(NO_ADVISORIES);
        return Ok(false);
    }
    for manifest in workspaces {
        run_command(deny(manifest).args(["check", "advisories"]))?;
    }
    Ok(true)
}

/// cargo-deny: the one in the PATH if it is of the right version, else our own.
fn cargo_deny() -> Result<PathBuf> {
    let own = project::target("cargo-tools/bin/cargo-deny");
    for program in [PathBuf::from("cargo-deny"), own.clone()] {
        let version = Command::new(&program).arg("--version").output();
        if version.is_ok_and(|version| {
            String::from_utf8_lossy(&version.stdout).trim_end()
                == format!("cargo-deny {CARGO_DENY}")
        }) {
            return Ok(program);
        }
    }
    step("building cargo-deny (two minutes)");
    let mut install = cargo("install");
    install.arg(format!("cargo-deny@{CARGO_DENY}")).args([
        "--locked",
        "--force",
        "--no-default-features",
    ]);
    // Unoptimised: it builds in a quarter of the time and runs for a second.
    install.args(["--profile", "dev", "--config", "profile.dev.debug=false"]);
    install
        .arg("--root")
        .arg(project::target("cargo-tools"))
        .env("CARGO_TARGET_DIR", project::target("cargo-tools/build"));
    run_command(&mut install)?;
    std::fs::remove_dir_all(project::target("cargo-tools/build"))?;
    Ok(own)
}
