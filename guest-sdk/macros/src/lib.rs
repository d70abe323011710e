//! The attribute macros of `sandglass-sdk`. Use it from there: the code it
//! makes names that crate.

mod doc;
mod function;
mod options;
mod parameter;
mod prompt;
mod resource;

use proc_macro::TokenStream;

/// Makes a tool of a function. See `sandglass_sdk`'s documentation.
#[proc_macro_attribute]
pub fn tool(options: TokenStream, item: TokenStream) -> TokenStream {
    function::expand(options.into(), item.into()).into()
}

/// Makes a prompt of a function. See `sandglass_sdk`'s documentation.
#[proc_macro_attribute]
pub fn prompt(options: TokenStream, item: TokenStream) -> TokenStream {
    prompt::expand(options.into(), item.into()).into()
}

/// Makes a resource, or a family of resources, of a function. See `sandglass_sdk`'s documentation.
#[proc_macro_attribute]
pub fn resource(options: TokenStream, item: TokenStream) -> TokenStream {
    resource::expand(options.into(), item.into()).into()
}
