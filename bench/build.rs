//! Tells the program which compiler built it.

use std::env;
use std::process::Command;

fn main() {
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(compiler)
        .arg("--version")
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_else(|error| format!("unknown compiler ({error})"));
    println!("cargo::rustc-env=BUILT_WITH={version}");
    println!("cargo::rerun-if-changed=build.rs");
}
