//! How the module is linked: it is made a component only after its engine was made, and its clocks stand still until
//! then (see `src/clocks.rs`).

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=--skip-wit-component");
        println!("cargo::rustc-link-arg-cdylib=--wrap=gettimeofday");
        println!("cargo::rustc-link-arg-cdylib=--wrap=clock_gettime");
    }
}
