//! What wit-bindgen makes of `/wit`: the contract's types, the host's
//! functions and the macro that exports the component.

#![allow(
    missing_docs,
    unsafe_op_in_unsafe_fn,
    clippy::all,
    clippy::undocumented_unsafe_blocks
)]

wit_bindgen::generate!({
    path: "../wit",
    world: "provider",
    // `/wit` holds drafts behind features; the world does not use them, but its folder is parsed as a whole.
    features: ["resources", "prompts", "completion"],
    pub_export_macro: true,
    export_macro_name: "export_provider",
    default_bindings_module: "sandglass_sdk::bindings",
    additional_derives: [Clone, PartialEq],
});
