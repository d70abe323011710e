//! Components to serve: built ones, and odd ones that no compiler makes.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::root;

/// The path of a test guest, by its name with underscores.
pub fn guest(name: &str) -> String {
    built("target/guests", name)
}

/// The path of a first-party tool.
pub fn tool(name: &str) -> String {
    built("target/tools", name)
}

/// The path of the conformance suite's fixtures.
pub fn conformance() -> String {
    built("target/conformance", "conformance")
}

/// The path of a component that another toolchain made, or of an SDK's example.
pub fn foreign(name: &str) -> String {
    built("target/foreign", name)
}

fn built(folder: &str, name: &str) -> String {
    let path = root().join(folder).join(format!("{name}.wasm"));
    assert!(
        path.is_file(),
        "{} is missing: run `cargo xtask test`",
        path.display()
    );
    path.to_str()
        .expect("the repository's path is UTF-8")
        .to_owned()
}

/// A temporary folder for components made by a test.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Default for Folder {
    fn default() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }
}

impl Folder {
    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path: PathBuf = self.path().join(name);
        std::fs::write(&path, content).expect("the temporary folder is ours");
        path.to_str().expect("temporary paths are UTF-8").to_owned()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// The smallest core module: WebAssembly, and no component.
pub fn core_module() -> Vec<u8> {
    b"\0asm\x01\0\0\0".to_vec()
}

/// A provider whose one tool, `grow_table`, grows a table until it cannot, and then traps.
///
/// Rust has no way to grow a table, so the module is written by hand. Its one record `tool` lies at 64 as the canonical
/// ABI lays it out: name at +0, input-schema at +32, everything else none or empty.
pub fn grow_table() -> Vec<u8> {
    let mut module = wat::parse_str(
        r#"(module
            (memory (export "memory") 1)
            (table $table 1 funcref)
            (global $free (mut i32) (i32.const 4096))
            (data (i32.const 16) "\00\00\00\00\40\00\00\00\01\00\00\00")
            (data (i32.const 64) "\c8\00\00\00\0a\00\00\00")
            (data (i32.const 96) "\dc\00\00\00\11\00\00\00")
            (data (i32.const 200) "grow_table")
            (data (i32.const 220) "{\"type\":\"object\"}")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and
                    (i32.add (global.get $free) (i32.sub (local.get 2) (i32.const 1)))
                    (i32.sub (i32.const 0) (local.get 2))))
                (global.set $free (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            (func (export "sandglass:tool/tools@0.1.0#list-tools") (result i32) (i32.const 16))
            (func (export "sandglass:tool/tools@0.1.0#call-tool")
                (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
                (loop $more
                    (br_if $more (i32.ne
                        (table.grow $table (ref.null func) (i32.const 10000))
                        (i32.const -1))))
                unreachable))"#,
    )
    .expect("the text is WebAssembly");
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_dir(root().join("wit"))
        .expect("the contract is WIT");
    let world = resolve
        .select_world(&[package], Some("provider"))
        .expect("the contract has this world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the module is one");
    let mut encoder = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .expect("the module fits the world");
    encoder.encode().expect("the component is valid")
}

#[cfg(test)]
mod tests {
    use super::grow_table;

    #[test]
    fn the_handwritten_provider_is_a_component() {
        // A component's layer and version, where a core module has 0x01.
        assert_eq!(&grow_table()[..8], b"\0asm\x0d\0\x01\0");
    }
}
