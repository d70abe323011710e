//! Keys that a document must not have, and what to say about them.

use crate::scalar::quoted;

/// The error for a key in an object that takes only the `known` ones.
pub(crate) fn refuse(key: &str, known: &[&str]) -> String {
    let shown = quoted(key);
    match nearest(key, known.iter().copied()) {
        Some(nearest) => format!("unknown key {shown}, did you mean `{nearest}`?"),
        None => format!(
            "unknown key {shown}, the keys here are {}",
            known.join(", ")
        ),
    }
}

/// The known key or name that a slip of the pen makes into this one: at most a third of it is wrong.
pub(crate) fn nearest<'a>(key: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&key.to_lowercase(), candidate);
            (distance, candidate)
        })
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_gets_the_nearest_key_and_a_stranger_the_list() {
        let known = ["version", "defaults", "engine", "tools"];
        for (key, nearest) in [
            ("tols", Some("tools")),
            ("Tools", Some("tools")),
            ("toosl", Some("tools")),
            ("default", Some("defaults")),
            ("engin", Some("engine")),
            ("zebra", None),
            ("", None),
        ] {
            assert_eq!(super::nearest(key, known), nearest, "{key}");
        }
        assert_eq!(
            refuse("zebra", &known),
            "unknown key `zebra`, the keys here are version, defaults, engine, tools"
        );
    }
}
