//! Element segments of a component's modules: wasmtime makes them anew for each instance, which costs neither fuel nor memory of
//! the guest's. So their number is bounded before anything is compiled.

use wasmparser::{ElementItems, ElementKind, Parser, Payload};

/// Entries of passive segments, over all modules of a component: each is 16 bytes of the host for each instance of its module, of
/// which there can be 64. Compilers write none.
const MAX_PASSIVE: u32 = 10_000;

/// Entries of active segments, likewise. CPython has some 10,000.
const MAX_ACTIVE: u32 = 200_000;

/// Refuses a component with more entries. What is no component is the compiler's to refuse.
pub(super) fn check(component: &[u8]) -> wasmtime::Result<()> {
    let (mut passive, mut active) = (0_u32, 0_u32);
    for payload in Parser::new(0).parse_all(component) {
        let Ok(Payload::ElementSection(segments)) = payload else {
            continue;
        };
        for segment in segments {
            let segment = segment?;
            let entries = match segment.items {
                ElementItems::Functions(functions) => functions.count(),
                ElementItems::Expressions(_, expressions) => expressions.count(),
            };
            let sum = match segment.kind {
                ElementKind::Passive => &mut passive,
                ElementKind::Active { .. } => &mut active,
                ElementKind::Declared => continue,
            };
            *sum = sum.saturating_add(entries);
        }
    }
    for (kind, entries, most) in [
        ("passive", passive, MAX_PASSIVE),
        ("active", active, MAX_ACTIVE),
    ] {
        if entries > most {
            wasmtime::bail!(
                "its {kind} element segments have {entries} entries, and at most {most} are accepted"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(kind: &str, entries: usize) -> Vec<u8> {
        let entries = "$f ".repeat(entries);
        let text = format!(
            "(component (core module (func $f) (table 1 funcref) (elem {kind} func {entries})))"
        );
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn what_each_instance_would_make_anew_is_bounded() {
        for (kind, most) in [("", MAX_PASSIVE), ("(i32.const 0)", MAX_ACTIVE)] {
            assert!(check(&component(kind, most as usize)).is_ok());
            let error = check(&component(kind, most as usize + 1)).unwrap_err();
            assert!(error.to_string().contains("at most"), "{error}");
        }
        assert!(check(&component("declare", 300_000)).is_ok());
    }
}
