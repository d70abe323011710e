//! From nothing to a tool that is called: `new`, `build`, `test` and `dev`.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sandglass_tests::{
    Finished, Host, Launch, client_program, degraded, eventually, root, well, within,
};
use serde_json::json;
use tempfile::TempDir;

/// A first build compiles all dependencies of the SDK.
const BUILD: Duration = Duration::from_secs(600);

/// A project in a folder of its own.
struct Project {
    parent: TempDir,
    compilers: TempDir,
    name: &'static str,
}

impl Project {
    async fn new(name: &'static str, language: &str) -> Self {
        let this = Self {
            parent: tempfile::tempdir().expect("a temporary folder"),
            compilers: compilers(),
            name,
        };
        let made = this.run(&["new", name, "--lang", language]).await;
        assert_eq!(made.code, Some(0), "{made:?}");
        assert!(made.stdout.contains(&format!("cd {name}")), "{made:?}");
        this
    }

    fn folder(&self) -> PathBuf {
        self.parent.path().join(self.name)
    }

    /// Runs a command in the folder above.
    async fn run(&self, arguments: &[&str]) -> Finished {
        let launch = self.with_compilers(Launch::command(arguments));
        launch.within(self.parent.path()).run_within(BUILD).await
    }

    async fn test(&self) -> Finished {
        self.run(&["test", self.name]).await
    }

    /// Changes a file as an editor would.
    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.folder().join(file);
        let text = std::fs::read_to_string(&path).expect("the project's file");
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replace(from, to)).expect("the folder is ours");
    }

    async fn dev(&self) -> Host {
        self.with_compilers(Launch::dev(&self.folder()))
            .start()
            .await
    }

    /// As its author would run it: compilers and package managers have settings in the environment and in the home folder.
    /// Components and dependencies are compiled once for all.
    fn with_compilers(&self, launch: Launch) -> Launch {
        let launch = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| {
                !["SANDGLASS_", "MCP_", "OTEL_", "LOG_"]
                    .iter()
                    .any(|own| name.starts_with(own))
            })
            .fold(launch, |launch, (name, value)| launch.env(&name, value));
        let mut path = self.compilers.path().as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        launch
            .env("PATH", path)
            .env("XDG_CACHE_HOME", root().join("target/e2e-home/.cache"))
            .env("CARGO_TARGET_DIR", root().join("target/authoring"))
    }
}

/// The programs that build: npm and its kin, and componentize-py, are not on the PATH where the tests alone have them.
fn compilers() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = client_program("SANDGLASS_NODE");
    let npm = node
        .ancestors()
        .nth(2)
        .expect("it lies in a folder bin")
        .join("lib/node_modules/npm/bin");
    for (name, program) in [
        ("node", node.clone()),
        (
            "componentize-py",
            client_program("SANDGLASS_COMPONENTIZE_PY"),
        ),
        ("npm", npm.join("npm-cli.js")),
        ("npx", npm.join("npx-cli.js")),
    ] {
        symlink(program, folder.path().join(name)).expect("the folder is ours");
    }
    folder
}

async fn greets(host: &Host, greeting: &str) {
    eventually(&format!("it answers {greeting}"), async || {
        let answer = host.call("greet", json!({"name": "Bo"})).await.json();
        (answer == json!({"result": greeting})).then_some(())
    })
    .await;
}

async fn logs(host: &Host, text: &str) {
    eventually(&format!("the log has {text:?}"), async || {
        host.log().contains(text).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_new_rust_project_is_tested_and_served_while_it_is_written() {
    let project = Project::new("say-hello", "rust").await;

    let tested = project.test().await;
    assert_eq!(tested.code, Some(0), "{tested:?}");
    assert!(tested.stdout.contains("2 passed, 0 failed"), "{tested:?}");
    let native = tokio::process::Command::new("cargo")
        .args(["test", "--quiet"])
        .current_dir(project.folder())
        .env("CARGO_TARGET_DIR", root().join("target/authoring"))
        .output()
        .await
        .expect("cargo is there");
    assert!(native.status.success(), "{native:?}");

    let again = project.run(&["new", "say-hello"]).await;
    assert_eq!(again.code, Some(2), "{again:?}");

    let component =
        project.run(&["build", "say-hello", "--json"]).await.json()["component"].clone();
    let component = Path::new(component.as_str().expect("a path")).to_owned();
    assert!(
        component.ends_with("say-hello/build/say_hello.wasm"),
        "{}",
        component.display()
    );

    let host = project.dev().await;
    greets(&host, "Hello, Bo!").await;
    logs(&host, "fuel=").await;
    project.edit("src/lib.rs", "Hello, {name}!", "Hi, {name}!");
    greets(&host, "Hi, Bo!").await;
    project.edit("src/lib.rs", "export!(greet);", "export!(great);");
    logs(&host, "waiting for a change").await;
    greets(&host, "Hi, Bo!").await;
    let reason = degraded(&host).await;
    assert!(
        reason.contains("the project does not build: `cargo build"),
        "{reason}"
    );
    // The very component that serves.
    project.edit("src/lib.rs", "export!(great);", "export!(greet);");
    well(&host).await;
    project.edit("src/lib.rs", "Hi, {name}!", "Good morning, {name}!");
    greets(&host, "Good morning, Bo!").await;
    drop(host);

    project.edit("src/lib.rs", "Good morning, {name}!", "Hello, {name}!");
    let path = project.folder().join("src/lib.rs");
    let text = std::fs::read_to_string(&path).expect("the project's file");
    let own_types = "
        #[derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
        struct Guest { name: String }

        /// Seats a guest.
        #[tool]
        fn seat(guest: Guest) -> Guest { guest }
    ";
    let text = text.replace(
        "export!(greet);",
        &format!("{own_types} export!(greet, seat);"),
    );
    std::fs::write(path, text).expect("the folder is ours");
    let tested = project.test().await;
    assert_eq!(tested.code, Some(0), "{tested:?}");

    project.edit("src/lib.rs", "Hello, {name}!", "Good morning, {name}!");
    let tested = project.test().await;
    assert_eq!(tested.code, Some(1), "{tested:?}");
    assert!(tested.stdout.contains("1 passed, 1 failed"), "{tested:?}");
    assert!(
        tested
            .stdout
            .contains(r#""Good morning, Ada!", not "Hello, Ada!""#),
        "{tested:?}"
    );
    project.edit("tests.yaml", "- tool: greet", "- tool: meet");
    let tested = project.test().await;
    assert_eq!(tested.code, Some(1), "{tested:?}");
    assert!(
        tested.stdout.contains("Unknown tool: meet; there is greet"),
        "{tested:?}"
    );
    project.edit("tests.yaml", "result:", "results:");
    let tested = project.test().await;
    assert_eq!(tested.code, Some(2), "{tested:?}");
    assert!(
        tested
            .stderr
            .contains("tests.yaml:4:3: unknown key `results`"),
        "{tested:?}"
    );
}

#[tokio::test]
async fn a_new_python_project_is_tested_and_served_while_it_is_written() {
    in_an_interpreted_language("python", "tools.py").await;
}

#[tokio::test]
async fn a_new_javascript_project_is_tested_and_served_while_it_is_written() {
    in_an_interpreted_language("javascript", "tools.js").await;
}

async fn in_an_interpreted_language(language: &str, source: &str) {
    let project = Project::new("say-hello", language).await;
    let tested = project.test().await;
    assert_eq!(tested.code, Some(0), "{tested:?}");
    assert!(tested.stdout.contains("2 passed, 0 failed"), "{tested:?}");
    let host = project.dev().await;
    greets(&host, "Hello, Bo!").await;
    project.edit(source, "Hello, ", "Hi, ");
    // It is built, and an interpreter compiled: that takes longer than anything else.
    within(BUILD, "it answers anew", async || {
        let answer = host.call("greet", json!({"name": "Bo"})).await.json();
        (answer == json!({"result": "Hi, Bo!"})).then_some(())
    })
    .await;
    let (broken, told) = if language == "python" {
        ("def (", "tools.py, line 1, column 5: ")
    } else {
        ("tool((", "waiting for a change")
    };
    std::fs::write(project.folder().join(source), broken).expect("the folder is ours");
    within(BUILD, "it says so", async || {
        host.log().contains("waiting for a change").then_some(())
    })
    .await;
    assert!(host.log().contains(told), "{}", host.log());
    greets(&host, "Hi, Bo!").await;
}

#[tokio::test]
async fn what_is_no_project_is_not_built() {
    for command in ["build", "test", "dev"] {
        let finished = Launch::command(&[command]).run().await;
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains("sandglass new"), "{finished:?}");
    }
    let finished = Launch::command(&["new", "a/b"]).run().await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
}

#[tokio::test]
async fn a_missing_compiler_is_named_with_how_to_get_it() {
    let launch = Launch::command(&["build"]).env("PATH", "/nowhere");
    launch.write("Cargo.toml", "[package]\nname = \"a\"\n");
    let finished = launch.run().await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains("https://rustup.rs"),
        "{finished:?}"
    );
}
