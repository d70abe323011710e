//! What holds for any text.

use std::net::IpAddr;

use proptest::prelude::*;

use crate::{
    HostPattern, Manifest, PathPrefix, Scope, TenantName, WassettePolicy,
    host::HostAndPort,
    manifest::tests::{FULL, origin, parse},
    resolve::tests::FULL as GRANTS,
};

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,3})?(\\.[a-z][a-z0-9]{0,5}){0,3}"
}

/// Text that looks like the parts of a manifest, more often than any text does.
fn parts() -> impl Strategy<Value = String> {
    let words: Vec<&'static str> = FULL
        .split_inclusive([' ', '\n', '{', '}', '[', ']'])
        .chain(GRANTS.split_inclusive([' ', '\n', '{', '}', '[', ']']))
        .collect();
    prop::collection::vec(prop::sample::select(words), 0..60).prop_map(|words| words.concat())
}

/// A manifest with one of its lines, or a part of one, gone or doubled.
fn mutated() -> impl Strategy<Value = String> {
    (
        prop::sample::select(vec![FULL, GRANTS]),
        any::<prop::sample::Index>(),
        0..40_usize,
        any::<bool>(),
    )
        .prop_map(|(text, start, length, twice)| {
            let start = start.index(text.len());
            let end = (start + length).min(text.len());
            let kept = if twice { end } else { start };
            let tail = if twice { start } else { end };
            format!("{}{}", &text[..kept], &text[tail..])
        })
}

fn check_round_trip(text: &str) -> Result<(), TestCaseError> {
    if let Ok(manifest) = parse(text) {
        let again = parse(&manifest.to_yaml());
        prop_assert_eq!(again.as_ref(), Ok(&manifest), "{}", manifest.to_yaml());
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_domain_covers_only_names_below_it(domain in name(), host in name(), below in name()) {
        let pattern: HostPattern = format!("*.{domain}").parse().expect("a pattern");
        prop_assert!(!pattern.covers(&domain));
        prop_assert_eq!(pattern.covers(&host), host.ends_with(&format!(".{domain}")));
        let shouted = format!("{below}.{domain}.").to_uppercase();
        prop_assert!(pattern.covers(&shouted));
        let glued = format!("{below}{domain}");
        prop_assert!(!pattern.covers(&glued));
    }

    #[test]
    fn a_name_covers_itself_alone(name in name(), other in name()) {
        let pattern: HostPattern = name.parse().expect("a pattern");
        prop_assert!(pattern.covers(&name.to_uppercase()));
        prop_assert_eq!(pattern.covers(&other), name == other);
    }

    #[test]
    fn an_address_covers_itself_in_brackets_or_not(address: IpAddr) {
        let pattern: HostPattern = address.to_string().parse().expect("a pattern");
        prop_assert!(pattern.covers(&address.to_string()));
        let bracketed = format!("[{address}]");
        prop_assert!(pattern.covers(&bracketed));
    }

    #[test]
    fn a_path_with_dot_segments_is_below_no_prefix(
        prefix in "(/[a-z]{1,3}){1,3}",
        dots in r"(\.|%2e|%2E){1,2}",
        before in "[/\\\\]",
        after in "([/\\\\].{0,5})?",
    ) {
        let prefix: PathPrefix = prefix.parse().expect("a prefix");
        let path = format!("{}{before}{dots}{after}", prefix.as_str());
        prop_assert!(!prefix.covers(&path), "{path}");
    }

    #[test]
    fn a_prefix_covers_what_is_below_it(prefix in "(/[a-z]{1,3}){1,3}", below in "(/[a-z0-9]{1,3}){0,3}", more in "[a-z]{1,3}") {
        let prefix: PathPrefix = prefix.parse().expect("a prefix");
        let covered = format!("{}{below}", prefix.as_str());
        prop_assert!(prefix.covers(&covered));
        let longer = format!("{}{more}", prefix.as_str());
        prop_assert!(!prefix.covers(&longer));
    }

    #[test]
    fn no_text_makes_a_scalar_panic_and_what_is_read_is_written_back(text in "\\PC{0,20}|[*.:/@\\[\\]a-z0-9-]{0,12}") {
        if let Ok(host) = text.parse::<HostPattern>() {
            prop_assert_eq!(host.to_string().parse(), Ok(host));
        }
        if let Ok(path) = text.parse::<PathPrefix>() {
            prop_assert!(path.covers(path.as_str()));
        }
        if let Ok(scope) = text.parse::<Scope>() {
            prop_assert_eq!(scope.to_string(), text.clone());
        }
        if let Ok(tenant) = text.parse::<TenantName>() {
            prop_assert_eq!(tenant.as_str(), &text);
        }
        let _ = text.parse::<HostAndPort>();
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,100}") {
        check_round_trip(&text)?;
        let _ = WassettePolicy::parse(&text, &origin());
    }

    #[test]
    fn what_is_made_of_a_manifests_parts_is_refused_or_written_back(text in parts()) {
        check_round_trip(&text)?;
    }

    #[test]
    fn a_slip_in_a_manifest_is_refused_or_written_back(text in mutated()) {
        check_round_trip(&text)?;
    }
}

#[test]
fn a_value_of_any_text_is_written_back() {
    proptest!(|(value in any::<String>().prop_filter("no NUL", |text| !text.contains('\0')))| {
        let value = serde_json::to_string(&value).expect("JSON");
        let text = format!("tools: [{{source: ./x.wasm, allow: {{env: {{A: {value}}}}}}}]");
        let manifest: Manifest = parse(&text).expect("a manifest");
        prop_assert_eq!(parse(&manifest.to_yaml()), Ok(manifest));
    });
}
