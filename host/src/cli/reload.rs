//! `sandglass reload`: has a running host look at its sources again.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::{StatusCode, Url};
use sandglass_manifest::unreadable;
use sandglass_text::Line;
use serde::Deserialize;
use serde_json::Value;

use super::{Exit, Failure, print};

/// How long the host may take: as long as compiling what is new takes.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Have a running host look at its manifest and all its sources now, as SIGHUP does, and show what it serves then.
///
/// Files, mounted ConfigMaps and Secrets need no such word, and tags are looked at every `engine.tag_interval`.
#[derive(Args)]
#[command(after_help = "Examples:
  sandglass reload
  sandglass reload --json | jq '.sources[] | select(.state != \"loaded\")'
  sandglass reload --url https://tools.example.com:9090 --token-file /secrets/token")]
pub struct Reload {
    /// The host's management port
    #[arg(long, default_value = "http://127.0.0.1:9090")]
    url: Url,
    /// A file with a bearer token of the scope `management`, where the port asks for one
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Somebody else listens there, or another port of the host.
const NOT_OURS: &str =
    "that is no management port of Sandglass; --url names the one that the host logs at its start";

/// What the host serves.
#[derive(Deserialize)]
struct Ready {
    sources: Vec<Source>,
    manifest: Option<Manifest>,
    #[serde(default)]
    tasks: Vec<Task>,
}

/// A task of the host's own that has failed.
#[derive(Deserialize)]
struct Task {
    task: String,
    reason: String,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: String,
}

#[derive(Deserialize)]
struct Source {
    name: String,
    state: String,
    digest: Option<String>,
    reason: Option<String>,
    notice: Option<String>,
}

#[derive(Deserialize)]
struct Manifest {
    problem: String,
}

impl Reload {
    pub async fn run(self) -> Result<Exit, Failure> {
        let answer = self.ask().await?;
        let ready: Ready =
            serde_json::from_value(answer.clone()).map_err(|_| self.failed(NOT_OURS))?;
        let problem = ready.manifest.map(|manifest| manifest.problem);
        let is_well = problem.is_none()
            && ready.tasks.is_empty()
            && ready.sources.iter().all(|source| source.reason.is_none());
        if self.json {
            print::json(&answer);
        } else {
            let rows = ready.sources.into_iter().map(|source| {
                vec![
                    source.name,
                    source.state,
                    source.digest.unwrap_or_default(),
                    source.reason.or(source.notice).unwrap_or_default(),
                ]
            });
            print::table(&["SOURCE", "STATE", "DIGEST", "WHY"], rows);
        }
        if let Some(problem) = problem {
            let problem = Line::new(problem);
            eprintln!("sandglass: the manifest does not count as it is now: {problem}");
        }
        for Task { task, reason } in &ready.tasks {
            let (task, reason) = (Line::name(task), Line::new(reason));
            eprintln!("sandglass: the host's task {task} has failed: {reason}");
        }
        Ok(if is_well {
            Exit::Done
        } else {
            Exit::NothingLoaded
        })
    }

    async fn ask(&self) -> Result<Value, Failure> {
        let url = self.url.join("/reload").expect("a path of ours");
        let client = reqwest::Client::builder().timeout(PATIENCE).build();
        let mut request = client
            .map_err(|error| self.failed(error.to_string()))?
            .post(url);
        if let Some(file) = &self.token_file {
            let token = std::fs::read_to_string(file).map_err(|error| {
                Failure::new(
                    Exit::Usage,
                    format!("--token-file: {} {}", file.display(), unreadable(&error)),
                )
            })?;
            request = request.bearer_auth(token.trim());
        }
        let answer = request.send().await.map_err(|error| {
            let reason = if error.is_connect() {
                "nobody listens there; --url names the management port that the host logs at its start".to_owned()
            } else {
                error.without_url().to_string()
            };
            self.failed(reason)
        })?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => {
                return Err(self.failed("it asks for a credential with the scope `management`: name its file in --token-file"));
            }
            // What the credential lacks, or that none helps.
            StatusCode::FORBIDDEN => {
                let answer: Option<ErrorBody> = answer.json().await.ok();
                return Err(self.failed(answer.map_or(NOT_OURS.to_owned(), |it| it.error)));
            }
            StatusCode::INTERNAL_SERVER_ERROR => {
                let answer: Option<ErrorBody> = answer.json().await.ok();
                return Err(self.failed(answer.map_or(NOT_OURS.to_owned(), |it| it.error)));
            }
            StatusCode::SERVICE_UNAVAILABLE => return Err(self.failed("the host is ending")),
            status => return Err(self.failed(format!("it answered {status}: {NOT_OURS}"))),
        }
        answer.json().await.map_err(|_| self.failed(NOT_OURS))
    }

    fn failed(&self, reason: impl std::fmt::Display) -> Failure {
        Failure::new(Exit::Failed, format!("{}: {reason}", self.url))
    }
}
