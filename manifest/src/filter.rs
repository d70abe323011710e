//! Which of a source's tools are served.

use std::collections::BTreeSet;

use serde::Serialize;

/// Which of a source's tools are served, by the names that the source gives them (without prefix).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolFilter {
    /// All of them.
    #[default]
    All,
    /// Only these.
    Include(BTreeSet<String>),
    /// All but these.
    Exclude(BTreeSet<String>),
}

impl ToolFilter {
    /// Whether the tool is served.
    pub fn allows(&self, tool: &str) -> bool {
        match self {
            Self::All => true,
            Self::Include(names) => names.contains(tool),
            Self::Exclude(names) => !names.contains(tool),
        }
    }

    pub(crate) fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_allows_what_it_names_or_what_it_does_not() {
        let names = || BTreeSet::from(["a".to_owned()]);
        for (filter, a, b) in [
            (ToolFilter::All, true, true),
            (ToolFilter::Include(names()), true, false),
            (ToolFilter::Exclude(names()), false, true),
        ] {
            assert_eq!((filter.allows("a"), filter.allows("b")), (a, b));
        }
    }
}
