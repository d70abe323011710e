//! `sandglass test`: the calls of a project's `tests.yaml`, in the sandbox.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::tools::{Called, Kept, LocalTools};
use super::{Exit, Failure, print};
use crate::author::Project;
use crate::author::cases::Case;
use crate::invoke::TenantId;
use crate::sandbox::Usage;

/// Build a project's component, and make the calls of its tests.yaml in the sandbox, with what its sandglass.yaml grants.
///
/// The stores that it grants are empty at first, and in memory: cases find nothing of earlier runs, and a host that serves
/// the project is not disturbed.
///
/// A case has `tool`, `arguments`, and what must come back: `result` (a JSON value) or `error` (a part of its text).
#[derive(Args)]
#[command(after_help = "Examples:
  sandglass test
  sandglass test --no-build --cases smoke.yaml
  sandglass test --json | jq '.cases[] | select(.problem)'

Exit codes: 0 all passed, 1 one did not or the build failed, 2 no project, or a file that is not valid")]
pub struct Test {
    /// The project's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The cases [default: tests.yaml in the folder]
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    /// The manifest [default: sandglass.yaml in the folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Take the component as it lies there
    #[arg(long)]
    no_build: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How a case went.
struct Outcome {
    case: String,
    usage: Usage,
    problem: Option<String>,
}

impl Test {
    pub async fn run(self) -> Result<Exit, Failure> {
        let project = Project::find(&self.folder)?;
        let path = |given: &Option<PathBuf>, name: &str| {
            given.clone().unwrap_or_else(|| self.folder.join(name))
        };
        let cases = path(&self.cases, "tests.yaml");
        let read = Case::read(&cases)?;
        if read.is_empty() {
            return Err(no_cases(&cases));
        }
        if !self.no_build {
            project.build().await?;
        }
        let config = path(&self.config, "sandglass.yaml");
        let tools = LocalTools::of_manifest(config, TenantId::default(), Kept::Nothing).await?;
        let mut outcomes = Vec::with_capacity(read.len());
        for case in read {
            let called = tools.call(&case.tool, case.arguments.clone()).await;
            // A tool that is not there fails its case, and no other.
            let called = called.unwrap_or_else(|unknown| Called {
                result: Err(unknown.to_string()),
                usage: Usage::default(),
            });
            outcomes.push(Outcome {
                case: case.to_string(),
                usage: called.usage,
                problem: case.check(&called.result).err(),
            });
        }
        self.print(&outcomes);
        Ok(
            if outcomes.iter().all(|outcome| outcome.problem.is_none()) {
                Exit::Done
            } else {
                Exit::Failed
            },
        )
    }

    fn print(&self, outcomes: &[Outcome]) {
        let failed = outcomes.iter().filter(|one| one.problem.is_some()).count();
        let passed = outcomes.len() - failed;
        if self.json {
            let cases: Vec<Value> = outcomes.iter().map(Outcome::json).collect();
            print::json(&json!({"passed": passed, "failed": failed, "cases": cases}));
            return;
        }
        print::table(
            &["", "CASE", "FUEL", "MEMORY", "TIME"],
            outcomes.iter().map(|outcome| {
                vec![
                    if outcome.problem.is_some() {
                        "failed"
                    } else {
                        "ok"
                    }
                    .to_owned(),
                    outcome.case.clone(),
                    print::grouped(outcome.usage.fuel),
                    print::size(outcome.usage.peak_memory),
                    format!("{:.1?}", outcome.usage.duration),
                ]
            }),
        );
        print::line("");
        for outcome in outcomes {
            if let Some(problem) = &outcome.problem {
                print::line(&print::indented(&format!("{}: {problem}", outcome.case)));
            }
        }
        print::line(&format!("{passed} passed, {failed} failed"));
    }
}

impl Outcome {
    fn json(&self) -> Value {
        json!({
            "case": self.case,
            "passed": self.problem.is_none(),
            "problem": self.problem,
            "fuel": self.usage.fuel,
            "peak_memory_bytes": self.usage.peak_memory,
            "duration_us": self.usage.duration.as_micros(),
        })
    }
}

fn no_cases(path: &Path) -> Failure {
    let mend = "add one: `- tool: NAME`, and `arguments`, `result` or `error` below it";
    Failure::new(
        Exit::Usage,
        format!("{}: there is no case; {mend}", path.display()),
    )
}
