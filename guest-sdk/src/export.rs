//! The one line that makes a component.

/// Exports functions marked with [`#[tool]`](crate::tool) as the tools of this
/// component: `export!(add, text::reverse);`. Write it once in a crate.
///
/// It defines the constant `TOOLS`, with which tests call the tools as a host
/// does; see [`testing`](crate::testing).
#[macro_export]
macro_rules! export {
    () => {
        ::core::compile_error!("`export!` needs at least one tool: `export!(my_function);`");
    };
    ($($tool:path),+ $(,)?) => {
        /// The tools of this component.
        #[allow(dead_code)]
        pub(crate) const TOOLS: &[$crate::Tool] = &[$({
            // An error about a function without `#[tool]` points at its name here.
            type Function = $tool;
            $crate::Tool::of::<Function>()
        }),+];

        const _: () = $crate::__private::check_names(TOOLS);

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Component;

            impl $crate::__private::Guest for Component {
                fn list_tools() -> ::std::result::Result<
                    ::std::vec::Vec<$crate::__private::ToolDescription>,
                    ::std::string::String,
                > {
                    ::std::result::Result::Ok($crate::__private::list(TOOLS))
                }

                fn call_tool(request: $crate::__private::CallRequest) -> $crate::__private::Outcome {
                    $crate::__private::call(TOOLS, &request)
                }
            }

            $crate::bindings::export_provider!(Component with_types_in $crate::bindings);
        };
    };
}
