//! No rule covers more than it says: hosts outside its domain, paths that leave its prefix.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandglass_manifest::{HostPattern, PathPrefix};

fuzz_target!(|input: (&str, &str)| {
    let (rule, given) = input;
    if let Ok(pattern) = rule.parse::<HostPattern>()
        && pattern.covers(given)
    {
        let host = given.to_ascii_lowercase();
        let domain = rule.trim_start_matches('*').to_ascii_lowercase();
        assert!(
            host.contains(domain.trim_matches(['[', ']', '.'])),
            "{rule} covers {given}"
        );
    }
    if let Ok(prefix) = rule.parse::<PathPrefix>()
        && prefix.covers(given)
        && prefix.as_str() != "/"
    {
        assert!(given.starts_with(prefix.as_str().trim_end_matches('/')));
        assert!(
            !given
                .split('/')
                .any(|segment| matches!(segment, "." | ".."))
        );
    }
});
