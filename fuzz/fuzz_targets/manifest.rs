//! Any text is a manifest or an error; what a manifest is written out as means the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandglass_manifest::{Manifest, Origin, Surroundings};

fuzz_target!(|text: &str| {
    let origin = Origin::Environment("MCP_PARAMS");
    let around = Surroundings {
        working_dir: "/work".into(),
        ..Surroundings::default()
    };
    if let Ok(manifest) = Manifest::parse_in(text, &origin, &around) {
        let again = Manifest::parse_in(&manifest.to_yaml(), &origin, &around);
        assert_eq!(again.as_ref(), Ok(&manifest));
    }
});
