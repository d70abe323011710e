//! `cargo xtask test`: everything that the tests need, then all tests, then their sum.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::clients::Clients;
use crate::command::{cargo, run as run_command, step};
use crate::environment::variables;
use crate::{clients, foreign, interpreters, kubernetes, project, serve, servers, tools};

/// What is said where Kubernetes' API server cannot be built.
const NO_CONTROL_PLANE: &str =
    "WARNING: THE OPERATOR WAS NOT TESTED AGAINST A REAL API SERVER, for none can be built here";

/// Runs all tests, or those that the arguments for `cargo test` choose.
pub fn run(arguments: &[OsString]) -> Result<()> {
    let start = Instant::now();
    tools::build(&[tools::FIRST_PARTY, tools::GUESTS, tools::CONFORMANCE])?;
    foreign::build()?;
    let clients = Clients::set_up()?;
    let redis = servers::redis()?;
    let registry = servers::docker_registry()?;
    let control_plane = control_plane()?;
    let host = build(arguments)?;
    interpreters::warm(&host)?;

    let mut total = Tally::default();
    let mut succeeded = true;
    if arguments.is_empty() {
        step("testing the first-party tools");
        let mut command = cargo("test");
        // A target folder of their own: another workspace has other features, and would undo the host's build.
        command.env("CARGO_TARGET_DIR", project::target("native-tools"));
        command
            .arg("--no-fail-fast")
            .arg("--manifest-path")
            .arg(tools::FIRST_PARTY.manifest());
        succeeded &= counted(&mut command, &mut total)?;
        step("testing the interpreter of JavaScript");
        let mut command = cargo("test");
        command.env("CARGO_TARGET_DIR", project::target("native-javascript"));
        command
            .arg("--manifest-path")
            .arg(interpreters::javascript_manifest());
        succeeded &= counted(&mut command, &mut total)?;
        step("testing the Python SDK");
        let mut command = Command::new("python3");
        command.arg(project::root().join("guest-sdk/python/tests/run.py"));
        succeeded &= counted(&mut command, &mut total)?;
        step("testing the JavaScript SDK");
        let mut command = clients::javascript_sdk()?;
        command.args(["--test", "--test-reporter=tap"]);
        succeeded &= counted(&mut command, &mut total)?;
    }
    step("testing the workspace");
    let mut command = cargo("test");
    command
        .arg("--no-fail-fast")
        .envs(variables(&host, clients))
        .env("SANDGLASS_REDIS_SERVER", redis)
        .env("SANDGLASS_DOCKER_REGISTRY", registry)
        .env(
            "SANDGLASS_OPERATOR_BIN",
            host.with_file_name("sandglass-operator"),
        );
    match &control_plane {
        Ok(folder) => command.env("SANDGLASS_KUBERNETES", folder),
        Err(reason) => command.env("SANDGLASS_NO_KUBERNETES", reason),
    };
    if !chooses_package(arguments) {
        command.arg("--workspace");
    }
    succeeded &= counted(command.args(arguments), &mut total)?;

    let Tally {
        passed,
        failed,
        ignored,
    } = total;
    let seconds = start.elapsed().as_secs();
    step(format_args!(
        "{passed} tests passed, {failed} failed, {ignored} were ignored; {seconds} s with all builds"
    ));
    if let Err(reason) = control_plane {
        step(format_args!("{NO_CONTROL_PLANE}: {reason}"));
    }
    if !succeeded {
        bail!("tests failed, or could not be built: see above");
    }
    Ok(())
}

/// Where Kubernetes' API server lies, or why there is none. Where CI runs, there is one.
fn control_plane() -> Result<Result<PathBuf, String>> {
    match kubernetes::control_plane() {
        Ok(folder) => Ok(Ok(folder)),
        Err(error) if std::env::var_os("CI").is_some() => Err(error),
        Err(error) => {
            let reason = format!("{error:#}");
            step(format_args!("{NO_CONTROL_PLANE}: {reason}"));
            Ok(Err(reason))
        }
    }
}

/// Builds what is tested; the host's path.
fn build(arguments: &[OsString]) -> Result<PathBuf> {
    if !arguments.is_empty() {
        let host = serve::build_host()?;
        run_command(cargo("build").args(["--workspace", "--bin", "sandglass-operator"]))?;
        return Ok(host);
    }
    step("building the workspace and its tests (the first time takes minutes: wasmtime is large)");
    run_command(cargo("build").args(["--workspace", "--all-targets"]))?;
    Ok(project::target("debug/sandglass"))
}

/// Whether the arguments for cargo, which end at `--`, name packages.
fn chooses_package(arguments: &[OsString]) -> bool {
    arguments
        .iter()
        .take_while(|argument| *argument != "--")
        .filter_map(|argument| argument.to_str())
        .any(|argument| {
            argument == "--package"
                || argument.starts_with("--package=")
                || (argument.starts_with("-p") && !argument.starts_with("--"))
        })
}

/// Runs tests, shows what they write, and adds up what it says; whether it succeeded.
fn counted(command: &mut Command, total: &mut Tally) -> Result<bool> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let output = child.stdout.take().expect("stdout is piped");
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        total.add(&line);
    }
    Ok(child.wait()?.success())
}

/// How many tests ended how.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Tally {
    /// Adds what a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; ...` says (cargo's), or `# pass 3`
    /// (Node's); other lines say nothing.
    fn add(&mut self, line: &str) {
        if let Some((kind, number)) = line
            .strip_prefix("# ")
            .and_then(|rest| rest.trim_end().split_once(' '))
            && let Ok(number) = number.parse::<u64>()
        {
            match kind {
                "pass" => self.passed += number,
                "fail" => self.failed += number,
                "skipped" => self.ignored += number,
                _ => {}
            }
        }
        let Some((_, counts)) = line
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            let Some((number, kind)) = count.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match kind {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_add_up() {
        let mut tally = Tally::default();
        tally.add("running 3 tests");
        tally.add("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s");
        for line in [
            "# tests 4",
            "# pass 2",
            "# fail 1",
            "# skipped 1",
            "# pass by",
        ] {
            tally.add(line);
        }
        tally.add("test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s");
        assert_eq!(
            tally,
            Tally {
                passed: 9,
                failed: 3,
                ignored: 2
            }
        );
    }

    #[test]
    fn a_package_is_chosen_only_before_the_tests_own_arguments() {
        let chosen = |arguments: &[&str]| {
            chooses_package(&arguments.iter().map(OsString::from).collect::<Vec<_>>())
        };
        assert!(chosen(&["-p", "sandglass"]));
        assert!(chosen(&["-psandglass"]));
        assert!(chosen(&["--package=sandglass", "fuel"]));
        assert!(!chosen(&["fuel"]));
        assert!(!chosen(&["fuel", "--", "-p"]));
    }
}
