//! Each text is a URI template or is not, and a URI is held against it without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandglass::schema::UriTemplate;

fuzz_target!(|input: (&str, &str)| {
    let (template, uri) = input;
    if let Ok(parsed) = UriTemplate::parse(template) {
        let is_of_it = parsed.matches(uri);
        if !template.contains('{') {
            assert_eq!(is_of_it, template == uri);
        }
    }
});
