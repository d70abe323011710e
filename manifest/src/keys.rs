//! Keys that a document must not have, and what to say about them.

use crate::scalar::quoted;

/// Keys of a tool, that is of the object that has `source`, that this version does not serve.
const NOT_YET: [&str; 1] = ["javascript"];

/// The error for a key in an object that takes only the `known` ones.
pub(crate) fn refuse(key: &str, known: &[&str]) -> String {
    let later = known.contains(&"source") && NOT_YET.contains(&key);
    let shown = quoted(key);
    if later {
        return format!("the key {shown} is not yet supported; remove it");
    }
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

    #[test]
    fn a_key_of_later_versions_is_called_so_only_where_it_belongs() {
        assert!(refuse("javascript", &["source", "name"]).contains("not yet supported"));
        assert!(refuse("javascript", &["version", "tools"]).contains("unknown key"));
    }
}
