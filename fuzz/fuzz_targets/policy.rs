//! Any text is a policy or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandglass_manifest::{Origin, WassettePolicy};

fuzz_target!(|text: &str| {
    _ = WassettePolicy::parse(text, &Origin::Environment("POLICY"));
});
