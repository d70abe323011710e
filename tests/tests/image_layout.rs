//! The host as its container image has it: nothing writable, another user, little memory, half a processor.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sandglass_tests::{Cgroup, Folder, Host, Launch, PATIENCE, root};
use serde_json::json;

/// The user of the image.
const NOBODY: &str = "65532";

/// `bin/sandglass` and `share/sandglass/{tools,interpreters,seed}` in a folder of their own.
struct Image {
    folder: Folder,
}

impl Image {
    async fn new() -> Self {
        let image = Self {
            folder: Folder::default(),
        };
        let built = std::env::var_os("SANDGLASS_BIN")
            .map_or_else(|| root().join("target/debug/sandglass"), PathBuf::from);
        std::fs::create_dir_all(image.path("bin")).expect("the folder is ours");
        copy_program(&built, &image.program());
        for (from, to) in [
            ("target/tools", "share/sandglass/tools"),
            (
                "target/share/sandglass/interpreters",
                "share/sandglass/interpreters",
            ),
        ] {
            std::fs::create_dir_all(image.path(to)).expect("the folder is ours");
            let entries = std::fs::read_dir(root().join(from)).expect("they are built");
            for entry in entries.flatten() {
                if entry.path().extension().is_some_and(|kind| kind == "wasm") {
                    let to = image.path(to).join(entry.file_name());
                    std::fs::copy(entry.path(), to).expect("the folder is ours");
                }
            }
        }
        image
    }

    async fn seeded() -> Self {
        Self::seeded_with(false).await
    }

    /// Also with the interpreter of Python.
    async fn seeded_with(python: bool) -> Self {
        let image = Self::new().await;
        let launch = Launch::command(&["seed"]).program(image.program());
        let launch = launch
            .arg(image.path("share/sandglass/seed"))
            .arg(image.path("share/sandglass/tools"));
        let launch = if python {
            launch.arg(image.path("share/sandglass/interpreters"))
        } else {
            launch
        };
        // Compiling CPython takes a while.
        let finished = launch.run_within(4 * PATIENCE).await;
        assert_eq!(finished.code, Some(0), "{finished:?}");
        seal(image.folder.path());
        image
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn program(&self) -> PathBuf {
        self.path("bin/sandglass")
    }

    /// `serve` as the image's user, without a home, on one processor.
    fn launch(&self) -> Launch {
        let launch = Launch::serve()
            .program(self.program())
            .env_remove("HOME")
            .env_remove("SANDGLASS_TOOLS_DIR");
        let launch = launch.through(&["taskset", "-c", "0"]);
        if rustix_is_root() {
            let user = format!("--reuid={NOBODY}");
            let group = format!("--regid={NOBODY}");
            launch.through(&["setpriv", &user, &group, "--clear-groups", "--no-new-privs"])
        } else {
            launch
        }
    }
}

/// Copies by another process: a program that this one has open for writing can't be started ("text
/// file busy"), and a child that another test starts just then holds it open a moment longer.
fn copy_program(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg(from).arg(to).status();
    assert!(
        copied.is_ok_and(|status| status.success()),
        "the program is built"
    );
}

/// Sealed folders can be removed again only when they are writable again.
impl Drop for Image {
    fn drop(&mut self) {
        permit(self.folder.path(), 0o755, 0o644);
    }
}

/// Makes a folder readable for everybody and writable for nobody.
fn seal(folder: &Path) {
    permit(folder, 0o555, 0o555);
}

fn permit(path: &Path, folder: u32, file: u32) {
    let is_folder = path.is_dir();
    let mode = std::fs::Permissions::from_mode(if is_folder { folder } else { file });
    std::fs::set_permissions(path, mode).expect("the folder is ours");
    if is_folder {
        for entry in std::fs::read_dir(path)
            .expect("the folder is readable")
            .flatten()
        {
            permit(&entry.path(), folder, file);
        }
    }
}

fn rustix_is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// As a container of Kubernetes runs it, with `cpu: 500m` and `memory: 256Mi`. Only root can make
/// control groups; others measure memory, below, and one processor.
#[tokio::test]
async fn the_image_is_ready_within_ten_seconds_of_half_a_processor_and_256_mib() {
    let image = Image::seeded().await;
    let group = match Cgroup::half_a_processor() {
        Ok(group) => group,
        Err(error) => {
            eprintln!("no control groups on this machine: {error}");
            return;
        }
    };
    let join = group.join();
    let launch = image.launch().through(&join.each_ref().map(String::as_str));
    let host = launch.start().await;
    assert_starts_quickly(&host);
    assert_serves(&host).await;
    for _ in 0..200 {
        let answer = host
            .call("get_current_time", json!({ "timezone": "Asia/Kathmandu" }))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(group.killed(), 0);
    drop(host);
}

#[tokio::test]
async fn inline_python_is_ready_within_ten_seconds_of_half_a_processor_and_256_mib() {
    let image = Image::seeded_with(true).await;
    let source = "def add(a: int, b: int) -> int:\n    return a + b\n";
    let launch = image.launch().env("MCP_TOOLS_STRING", source);
    let group = Cgroup::half_a_processor();
    let launch = match &group {
        Ok(group) => launch.through(&group.join().each_ref().map(String::as_str)),
        Err(error) => {
            eprintln!("no control groups on this machine: {error}");
            launch
        }
    };
    let host = launch.start().await;
    assert_starts_quickly(&host);
    assert_eq!(host.tools().await, ["add"]);
    for number in 0..100 {
        let answer = host.call("add", json!({ "a": number, "b": 1 })).await;
        assert_eq!(answer.json()["result"], number + 1, "{answer:?}");
    }
    assert!(
        host.log().contains("compiled=\"seed\"") || host.log().contains("compiled=seed"),
        "{}",
        host.log()
    );
    let peak = host.peak_memory();
    assert!(peak < 256 << 20, "{} MiB at most", peak >> 20);
    if let Ok(group) = group {
        assert_eq!(group.killed(), 0);
    }
}

/// It has used no more than half a processor gives in ten seconds, however long it waited for that on a busy machine.
fn assert_starts_quickly(host: &Host) {
    let work = host.processor_time();
    assert!(
        work < Duration::from_secs(5),
        "{work:?} of a processor to be ready"
    );
}

async fn assert_serves(host: &Host) {
    let ready = host.get("/ready").await;
    assert_eq!(
        (ready.status, &ready.json()["status"]),
        (200, &json!("ready")),
        "{ready:?}\n{}",
        host.log()
    );
    let answer = host
        .call("get_current_time", json!({ "timezone": "Europe/Warsaw" }))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.contains("Europe/Warsaw"), "{answer:?}");
}

#[tokio::test]
async fn the_image_is_ready_at_once_from_its_seed() {
    let image = Image::seeded().await;
    let host = image.launch().start().await;
    assert_starts_quickly(&host);
    assert_serves(&host).await;
    let log = host.log();
    assert!(
        log.contains("seed") && !log.contains("fresh"),
        "compiled instead of taken from the seed:\n{log}"
    );
}

#[tokio::test]
async fn the_image_stays_within_its_memory() {
    let image = Image::seeded().await;
    let host = image.launch().start().await;
    for _ in 0..200 {
        let answer = host
            .call("get_current_time", json!({ "timezone": "Asia/Kathmandu" }))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let peak = host.peak_memory();
    assert!(peak < 256 << 20, "{} MiB at most", peak >> 20);
}

#[tokio::test]
async fn an_image_without_a_seed_compiles_and_says_that_it_keeps_nothing() {
    let image = Image::new().await;
    seal(image.folder.path());
    let host = image.launch().start().await;
    assert_serves(&host).await;
    assert!(host.log().contains("fresh"), "{}", host.log());
}

#[tokio::test]
async fn a_seed_that_was_tampered_with_is_not_run() {
    let image = Image::seeded().await;
    permit(image.folder.path(), 0o755, 0o755);
    for entry in std::fs::read_dir(image.path("share/sandglass/seed"))
        .expect("it was made")
        .flatten()
    {
        std::fs::write(entry.path(), b"not machine code").expect("it is ours");
    }
    seal(image.folder.path());
    let host = image.launch().start().await;
    assert_serves(&host).await;
    assert!(!host.log().contains("compiled=seed"), "{}", host.log());
}

#[tokio::test]
async fn a_limit_on_address_space_makes_it_slower_not_broken() {
    let image = Image::seeded().await;
    // Less than the pool reserves, more than single instances need.
    let launch = image.launch().through(&["prlimit", "--as=34359738368"]);
    let host = launch.start().await;
    assert_serves(&host).await;
}
