//! The attribute macro of `sandglass-sdk`. Use it from there: the code it
//! makes names that crate.

mod doc;
mod function;
mod options;

use proc_macro::TokenStream;

/// Makes a tool of a function. See `sandglass_sdk`'s documentation.
#[proc_macro_attribute]
pub fn tool(options: TokenStream, item: TokenStream) -> TokenStream {
    function::expand(options.into(), item.into()).into()
}
