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

/// Prompts. A component exports them only if it has some.
pub mod prompts {
    wit_bindgen::generate!({
        path: "../wit",
        world: "prompt-provider",
        pub_export_macro: true,
        export_macro_name: "export_prompts",
        default_bindings_module: "sandglass_sdk::bindings::prompts",
        with: {
            "sandglass:tool/types@0.1.0": crate::bindings::sandglass::tool::types,
            "sandglass:tool/host@0.1.0": crate::bindings::sandglass::tool::host,
        },
        additional_derives: [Clone, PartialEq],
    });
}

/// Resources, likewise.
pub mod resources {
    wit_bindgen::generate!({
        path: "../wit",
        world: "resource-provider",
        pub_export_macro: true,
        export_macro_name: "export_resources",
        default_bindings_module: "sandglass_sdk::bindings::resources",
        with: {
            "sandglass:tool/types@0.1.0": crate::bindings::sandglass::tool::types,
            "sandglass:tool/host@0.1.0": crate::bindings::sandglass::tool::host,
        },
        additional_derives: [Clone, PartialEq],
    });
}

/// Completion, likewise.
pub mod completion {
    wit_bindgen::generate!({
        path: "../wit",
        world: "completion-provider",
        pub_export_macro: true,
        export_macro_name: "export_completion",
        default_bindings_module: "sandglass_sdk::bindings::completion",
        with: {
            "sandglass:tool/types@0.1.0": crate::bindings::sandglass::tool::types,
            "sandglass:tool/host@0.1.0": crate::bindings::sandglass::tool::host,
        },
        additional_derives: [Clone, PartialEq],
    });
}

/// What tools use beside the contract. A component imports it only if the tool calls it.
pub mod keyvalue {
    wit_bindgen::generate!({
        inline: "
            package sandglass:sdk;
            world keyvalue {
                import wasi:keyvalue/store@0.2.0-draft;
                import wasi:keyvalue/atomics@0.2.0-draft;
            }
        ",
        path: "../wit",
        world: "sandglass:sdk/keyvalue",
        generate_all,
    });
}

/// As [`keyvalue`].
pub mod config {
    wit_bindgen::generate!({
        inline: "
            package sandglass:sdk;
            world config {
                import wasi:config/store@0.2.0-rc.1;
            }
        ",
        path: "../wit",
        world: "sandglass:sdk/config",
        generate_all,
    });
}
