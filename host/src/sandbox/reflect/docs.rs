//! Doc comments of a component's WIT: its custom section `package-docs`.
//!
//! The format is wit-parser's (`metadata.rs`): a version byte, 0 or 1, then JSON. `wit-docs-inject` puts it into
//! components, since the compilers' own tools leave it out.

use std::collections::HashMap;

use serde::Deserialize;

const SECTION: &[u8] = b"package-docs";

/// Bytes of the section.
const MAX_SECTION: usize = 1 << 20;

/// Bytes of one description. Models read all of it.
const MAX_DESCRIPTION: usize = 4 << 10;

/// The doc comments of a component's functions.
#[derive(Debug, Default, Deserialize)]
pub(in crate::sandbox) struct Docs {
    #[serde(default)]
    worlds: HashMap<String, World>,
    #[serde(default)]
    interfaces: HashMap<String, Interface>,
}

#[derive(Debug, Deserialize)]
struct World {
    /// Imports; in version 0 exports too.
    #[serde(default)]
    funcs: HashMap<String, Function>,
    #[serde(default)]
    func_exports: HashMap<String, Function>,
    /// Those that are written out in the world. Imports; in version 0 exports too.
    #[serde(default)]
    interfaces: HashMap<String, Interface>,
    #[serde(default)]
    interface_exports: HashMap<String, Interface>,
}

#[derive(Debug, Deserialize)]
struct Interface {
    #[serde(default)]
    funcs: HashMap<String, Function>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Function {
    /// Version 0.
    Docs(Option<String>),
    Described {
        docs: Option<String>,
    },
}

impl Docs {
    /// The docs of a component. One without them, or with some that cannot be read, has none.
    pub(in crate::sandbox) fn of(component: &[u8]) -> Self {
        section(component)
            .filter(|section| section.len() <= MAX_SECTION)
            .and_then(|section| match section {
                [0 | 1, json @ ..] => serde_json::from_slice(json).ok(),
                _ => None,
            })
            .unwrap_or_default()
    }

    /// The description of a function, of an exported interface or at the root.
    pub(super) fn function(&self, interface: Option<&str>, function: &str) -> Option<String> {
        let text = match interface {
            None => self.worlds.values().find_map(|world| {
                let exported = world.func_exports.get(function);
                exported.or_else(|| world.funcs.get(function))?.text()
            }),
            Some(id) => self.interface(id)?.funcs.get(function)?.text(),
        }?;
        Some(shortened(text.trim()))
    }

    /// By its name in the package's docs: `ops` of `acme:math/ops@0.1.0`.
    fn interface(&self, id: &str) -> Option<&Interface> {
        match id.split_once('/') {
            Some((_, name)) => {
                let name = name.split_once('@').map_or(name, |(name, _)| name);
                self.interfaces.get(name)
            }
            None => self.worlds.values().find_map(|world| {
                let exported = world.interface_exports.get(id);
                exported.or_else(|| world.interfaces.get(id))
            }),
        }
    }
}

impl Function {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Docs(docs) | Self::Described { docs } => docs.as_deref(),
        }
    }
}

fn shortened(text: &str) -> String {
    if text.len() <= MAX_DESCRIPTION {
        return text.to_owned();
    }
    let mut short = text[..text.floor_char_boundary(MAX_DESCRIPTION)].to_owned();
    short.push('…');
    short
}

/// The content of the component's own custom section of that name, not of one in a module inside
/// (component model, "Binary": sections of an id byte, a length and that many bytes; id 0 is custom).
fn section(component: &[u8]) -> Option<&[u8]> {
    let mut rest = component.get(8..)?;
    while let [id, after @ ..] = rest {
        let (content, next) = sized(after)?;
        if *id == 0
            && let Some((SECTION, data)) = sized(content)
        {
            return Some(data);
        }
        rest = next;
    }
    None
}

/// As many bytes as the LEB128 number before them says, and what follows.
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return bytes.get(index + 1..)?.split_at_checked(length);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn leb(mut number: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let low = u8::try_from(number & 0x7f).unwrap();
            number >>= 7;
            if number == 0 {
                bytes.push(low);
                return bytes;
            }
            bytes.push(low | 0x80);
        }
    }

    fn custom(name: &[u8], data: &[u8]) -> Vec<u8> {
        let content = [&leb(name.len()), name, data].concat();
        [&[0][..], &leb(content.len()), &content].concat()
    }

    fn component(version: u8, docs: &Value) -> Vec<u8> {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        bytes.extend(custom(b"producers", &[7; 200]));
        bytes.extend(custom(
            SECTION,
            &[&[version], docs.to_string().as_bytes()].concat(),
        ));
        bytes
    }

    #[test]
    fn functions_are_described_at_the_root_and_in_interfaces() {
        let docs = Docs::of(&component(
            1,
            &json!({
                "docs": "The package",
                "worlds": {"w": {
                    "func_exports": {"run": {"docs": " Runs.\n"}},
                    "interface_exports": {"inline": {"funcs": {"f": {"docs": "Inline."}}}},
                }},
                "interfaces": {"ops": {"funcs": {"add": {"docs": "Adds.", "stability": {}}, "bare": {}}}},
            }),
        ));
        for (interface, function, expected) in [
            (None, "run", Some("Runs.")),
            (None, "add", None),
            (Some("acme:math/ops@0.1.0"), "add", Some("Adds.")),
            (Some("acme:math/ops"), "bare", None),
            (Some("inline"), "f", Some("Inline.")),
            (Some("other"), "f", None),
        ] {
            assert_eq!(docs.function(interface, function).as_deref(), expected);
        }
    }

    #[test]
    fn version_0_is_read_too() {
        let docs = Docs::of(&component(
            0,
            &json!({"worlds": {"w": {"funcs": {"run": "Runs.", "bare": null}}}}),
        ));
        assert_eq!(docs.function(None, "run").as_deref(), Some("Runs."));
        assert_eq!(docs.function(None, "bare"), None);
    }

    #[test]
    fn docs_that_cannot_be_read_are_none() {
        let whole = component(
            1,
            &json!({"worlds": {"w": {"func_exports": {"f": {"docs": "x"}}}}}),
        );
        for length in 0..whole.len() {
            assert_eq!(Docs::of(&whole[..length]).function(None, "f"), None);
        }
        assert!(Docs::of(&component(2, &json!({}))).worlds.is_empty());
        assert!(Docs::of(&component(1, &json!([3]))).worlds.is_empty());
        let endless = [
            b"\0asm\x0d\0\x01\0",
            &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..],
        ]
        .concat();
        assert!(Docs::of(&endless).worlds.is_empty());
    }

    #[test]
    fn sizes_are_bounded() {
        let describe = |length| {
            let docs =
                json!({"worlds": {"w": {"func_exports": {"f": {"docs": "é".repeat(length)}}}}});
            Docs::of(&component(1, &docs)).function(None, "f")
        };
        let text = describe(MAX_DESCRIPTION).unwrap();
        assert!(text.len() <= MAX_DESCRIPTION + '…'.len_utf8() && text.ends_with("é…"));
        assert_eq!(describe(MAX_SECTION), None);
    }
}
