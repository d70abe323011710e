//! The one line that makes a component.

/// Exports functions marked with [`#[tool]`](crate::tool) as the tools of this
/// component: `export!(add, text::reverse);`. Write it once in a crate.
///
/// It defines the constant `TOOLS`, with which tests call the tools as a host
/// does; see [`testing`](crate::testing).
///
/// With prompts ([`#[prompt]`](crate::prompt)) and resources ([`#[resource]`](crate::resource)) each kind is named:
///
/// ```
/// use sandglass_sdk::{export, prompt, resource, tool};
///
/// /// Adds two numbers.
/// #[tool]
/// fn add(a: i64, b: i64) -> i64 {
///     a + b
/// }
///
/// /// Asks for a review.
/// #[prompt]
/// fn review(
///     /// What to review.
///     code: String,
/// ) -> String {
///     format!("Please review this:\n{code}")
/// }
///
/// /// The constants of mathematics, by name.
/// #[resource(uri = "constant://{name}", mime_type = "text/plain")]
/// fn constant(name: String) -> Option<String> {
///     (name == "pi").then(|| "3.14159".to_owned())
/// }
///
/// export!(tools: [add], prompts: [review], resources: [constant]);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export {
    () => {
        ::core::compile_error!("`export!` needs at least one tool: `export!(my_function);`");
    };
    (
        $(tools: [$($tool:path),* $(,)?] $(,)?)?
        $(prompts: [$($prompt:path),* $(,)?] $(,)?)?
        $(resources: [$($resource:path),* $(,)?] $(,)?)?
    ) => {
        $($crate::export!($($tool),*);)?

        /// The prompts of this component.
        #[allow(dead_code)]
        pub(crate) const PROMPTS: &[$crate::Prompt] = &[$($({
            type Function = $prompt;
            $crate::Prompt::of::<Function>()
        }),*)?];

        /// The resources of this component.
        #[allow(dead_code)]
        pub(crate) const RESOURCES: &[$crate::Resource] = &[$($({
            type Function = $resource;
            $crate::Resource::of::<Function>()
        }),*)?];

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Component;

            $($crate::__export_prompts!(Component, $($prompt),*);)?
            $($crate::__export_resources!(Component, $($resource),*);)?

            impl $crate::__private::CompletionGuest for Component {
                fn complete(
                    request: $crate::__private::CompletionRequest,
                ) -> ::std::result::Result<$crate::__private::CompletionResult, ::std::string::String> {
                    $crate::__private::complete(PROMPTS, RESOURCES, request)
                }
            }

            $crate::bindings::completion::export_completion!(
                Component with_types_in $crate::bindings::completion
            );
        };
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

/// Exports prompts; a part of [`export!`](crate::export).
#[doc(hidden)]
#[macro_export]
macro_rules! __export_prompts {
    ($component:ident, $($prompt:path),*) => {
        impl $crate::__private::PromptGuest for $component {
            fn list_prompts() -> ::std::result::Result<
                ::std::vec::Vec<$crate::__private::PromptDescription>,
                ::std::string::String,
            > {
                ::std::result::Result::Ok($crate::__private::list_prompts(PROMPTS))
            }

            fn get_prompt(
                name: ::std::string::String,
                arguments: ::std::vec::Vec<(::std::string::String, ::std::string::String)>,
            ) -> ::std::result::Result<
                $crate::__private::PromptResult,
                $crate::__private::PromptError,
            > {
                $crate::__private::get_prompt(PROMPTS, &name, &arguments)
            }
        }

        $crate::bindings::prompts::export_prompts!(
            $component with_types_in $crate::bindings::prompts
        );
    };
}

/// Exports resources; a part of [`export!`](crate::export).
#[doc(hidden)]
#[macro_export]
macro_rules! __export_resources {
    ($component:ident, $($resource:path),*) => {
        impl $crate::__private::ResourceGuest for $component {
            fn list_resources() -> ::std::result::Result<
                ::std::vec::Vec<$crate::ResourceLink>,
                ::std::string::String,
            > {
                ::std::result::Result::Ok($crate::__private::list_resources(RESOURCES))
            }

            fn list_resource_templates() -> ::std::result::Result<
                ::std::vec::Vec<$crate::__private::ResourceTemplate>,
                ::std::string::String,
            > {
                ::std::result::Result::Ok($crate::__private::list_templates(RESOURCES))
            }

            fn read_resource(
                uri: ::std::string::String,
            ) -> ::std::result::Result<
                ::std::vec::Vec<$crate::ResourceContents>,
                $crate::__private::ReadError,
            > {
                $crate::__private::read_resource(RESOURCES, &uri)
            }
        }

        $crate::bindings::resources::export_resources!(
            $component with_types_in $crate::bindings::resources
        );
    };
}
