//! Kubernetes' API server with its store, for the operator's tests: built from Debian's source, once, below `target`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{run, step};
use crate::{apt, project};

/// The version of Debian's source.
const VERSION: &str = "1.20.2";

/// The compiler that this source is for, and the store, none of which needs more than the C library; and a library in a
/// version that knows this compiler (with the source's own one the server panics when a resource is defined).
const PACKAGES: [&str; 4] = [
    "golang-1.19-go",
    "golang-1.19-src",
    "golang-github-modern-go-reflect2-dev",
    "etcd-server",
];

const REFLECT2: &str = "github.com/modern-go/reflect2";

/// A program of the source that writes the API's description, which is not in the source.
const OPENAPI_GEN: &str = "./vendor/k8s.io/kube-openapi/cmd/openapi-gen";

/// The folder with `kube-apiserver` and `etcd`; builds them if they are not there.
pub fn control_plane() -> Result<PathBuf> {
    let folder = project::target("kubernetes");
    let server = folder.join("kube-apiserver");
    // Written last, so that a build that was broken off is not taken for a whole one.
    if !server.is_file() {
        step(
            "building Kubernetes' API server from Debian's source into target/kubernetes (3 minutes, 130 MB to fetch)",
        );
        let build = folder.join("build");
        if build.exists() {
            fs::remove_dir_all(&build)?;
        }
        let debian = build.join("debian");
        apt::unpack(&debian, &[], &PACKAGES)?;
        fs::copy(debian.join("usr/bin/etcd"), folder.join("etcd"))?;
        let built = Source::unpack(&build, &debian)?.build()?;
        fs::rename(built, &server)?;
        // A gigabyte and a half.
        fs::remove_dir_all(&build)?;
    }
    Ok(folder)
}

/// The source, where its compiler looks for it.
struct Source {
    /// Where everything is built.
    build: PathBuf,
    compiler: PathBuf,
    root: PathBuf,
}

impl Source {
    fn unpack(build: &Path, debian: &Path) -> Result<Self> {
        let source = Self {
            build: build.to_path_buf(),
            compiler: debian.join("usr/lib/go-1.19"),
            root: build.join("go/src/k8s.io/kubernetes"),
        };
        apt::unpack_release(&source.root, "kubernetes")?;
        let vendored = source.root.join("vendor").join(REFLECT2);
        fs::remove_dir_all(&vendored)?;
        run(Command::new("cp")
            .arg("--recursive")
            .arg(debian.join("usr/share/gocode/src").join(REFLECT2))
            .arg(&vendored))?;
        Ok(source)
    }

    /// The built server.
    fn build(&self) -> Result<PathBuf> {
        self.describe()?;
        let names = [
            (
                "kubernetes/vendor/k8s.io/component-base/version",
                "gitVersion",
                format!("v{VERSION}"),
            ),
            (
                "kubernetes/vendor/k8s.io/component-base/version",
                "gitMajor",
                "1".to_owned(),
            ),
            (
                "kubernetes/vendor/k8s.io/component-base/version",
                "gitMinor",
                "20".to_owned(),
            ),
        ];
        let names =
            names.map(|(package, name, value)| format!("-X k8s.io/{package}.{name}={value}"));
        let server = self.build.join("kube-apiserver");
        run(self
            .go()
            .args([
                "build",
                "-ldflags",
                &format!("-s -w {}", names.join(" ")),
                "-o",
            ])
            .arg(&server)
            .arg("./cmd/kube-apiserver"))?;
        Ok(server)
    }

    /// Writes the API's description, of all packages that are marked for it.
    fn describe(&self) -> Result<()> {
        let generator = self.build.join("openapi-gen");
        run(self
            .go()
            .args(["build", "-o"])
            .arg(&generator)
            .arg(OPENAPI_GEN))?;
        let mut packages = Vec::new();
        // The folders below vendor/k8s.io are links to those below staging, which are not followed.
        for (folder, package) in [("pkg", "pkg"), ("staging/src/k8s.io", "vendor/k8s.io")] {
            marked(
                &self.root.join(folder),
                &format!("k8s.io/kubernetes/{package}"),
                &mut packages,
            )?;
        }
        if packages.is_empty() {
            bail!("no package of the source is marked with +k8s:openapi-gen");
        }
        packages.sort();
        let output = "k8s.io/kubernetes/pkg/generated/openapi";
        run(self
            .in_source(&generator)
            .args(["--logtostderr", "--input-dirs", &packages.join(",")])
            .args([
                "--output-package",
                output,
                "--output-file-base",
                "zz_generated.openapi",
            ])
            .args([
                "--go-header-file",
                "hack/boilerplate/boilerplate.generatego.txt",
            ])
            .arg("--report-filename")
            .arg(self.build.join("violations")))
    }

    fn go(&self) -> Command {
        self.in_source(&self.compiler.join("bin/go"))
    }

    fn in_source(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.root)
            .env("GOROOT", &self.compiler)
            .env("GOPATH", self.build.join("go"))
            .env("GOCACHE", self.build.join("cache"))
            // The source is from before modules: everything lies in it.
            .env("GO111MODULE", "off")
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", "");
        command
    }
}

/// Adds the packages in this folder and below that have a file with the mark.
fn marked(folder: &Path, package: &str, packages: &mut Vec<String>) -> Result<()> {
    let mut is_marked = false;
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            marked(&entry.path(), &format!("{package}/{name}"), packages)?;
        } else if name.ends_with(".go") && !name.ends_with("_test.go") {
            let text = fs::read_to_string(entry.path())?;
            is_marked |= text
                .lines()
                .any(|line| line.starts_with("// +k8s:openapi-gen="));
        }
    }
    if is_marked {
        packages.push(package.to_owned());
    }
    Ok(())
}
