//! No schema is compiled to more than it may be, and no check ends the host. What is accepted is checked without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandglass::schema::{Account, Form, Schema};

fuzz_target!(|input: (&str, &str)| {
    let (schema, instance) = input;
    let instance = serde_json::from_str(instance).unwrap_or(serde_json::Value::from(instance));
    if let Ok(schema) = Schema::compile(schema, &mut Account::default()) {
        _ = schema.check(&instance);
    }
    if let Ok(form) = Form::read(schema) {
        // What clients get is a form again, and the same.
        let again = Form::read(&form.text()).expect("a form stays one");
        assert_eq!(again.text(), form.text());
        _ = form.takes(&instance.to_string());
    }
});
