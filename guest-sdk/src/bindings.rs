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
    pub_export_macro: true,
    export_macro_name: "export_provider",
    default_bindings_module: "sandglass_sdk::bindings",
    additional_derives: [Clone, PartialEq],
});

/// What tools use beside the contract. A component imports it only if the tool calls it.
pub mod keyvalue {
    wit_bindgen::generate!({
        inline: "
            package sandglass:sdk;
            world keyvalue {
                import wasi:keyvalue/store@0.2.0-draft;
            }
        ",
        path: "../wit",
        world: "sandglass:sdk/keyvalue",
        generate_all,
    });
}
