//! The parameters of a prompt or of a resource template: text that is passed by name.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{
    Attribute, Error, FnArg, Ident, ItemFn, LitStr, Pat, Path, Result, ReturnType, Type,
    ext::IdentExt, spanned::Spanned,
};

use crate::doc;

/// One parameter.
pub struct Parameter {
    pub name: Ident,
    pub description: String,
    pub r#type: Type,
    /// The function that completes it.
    complete: Option<Path>,
}

/// The parameters of a function, without the attributes that Rust refuses there.
pub fn take(function: &mut ItemFn, kind: &str) -> Result<Vec<Parameter>> {
    if let Some(asyncness) = &function.sig.asyncness {
        let text = format!("a {kind} can't be `async`: make it a plain `fn`");
        return Err(Error::new_spanned(asyncness, text));
    }
    if !function.sig.generics.params.is_empty() {
        let text = format!("a {kind} can't be generic");
        return Err(Error::new_spanned(&function.sig.generics, text));
    }
    let inputs = function.sig.inputs.iter_mut();
    inputs.map(|input| parameter(input, kind)).collect()
}

fn parameter(input: &mut FnArg, kind: &str) -> Result<Parameter> {
    let input = match input {
        FnArg::Typed(input) => input,
        FnArg::Receiver(receiver) => {
            let text = format!("a {kind} has no `self`");
            return Err(Error::new_spanned(receiver, text));
        }
    };
    let Pat::Ident(pattern) = &*input.pat else {
        let text = format!("an argument of a {kind} needs a name: write `name: Type`");
        return Err(Error::new_spanned(&input.pat, text));
    };
    let description = doc::text(&input.attrs)?;
    let complete = input.attrs.iter().find(|attribute| completes(attribute));
    let complete = complete
        .map(|attribute| attribute.parse_args::<Path>())
        .transpose()?;
    input
        .attrs
        .retain(|attribute| !completes(attribute) && !attribute.path().is_ident("doc"));
    Ok(Parameter {
        name: pattern.ident.unraw(),
        description,
        r#type: (*input.ty).clone(),
        complete,
    })
}

fn completes(attribute: &Attribute) -> bool {
    attribute.path().is_ident("complete")
}

/// The trait's function that finishes what the function returns; it is reported where that type stands.
pub fn finish(function: &ItemFn, of: TokenStream) -> TokenStream {
    let span = match &function.sig.output {
        ReturnType::Default => function.sig.ident.span(),
        ReturnType::Type(_, returns) => returns.span(),
    };
    let span = span.resolved_at(Span::call_site());
    quote_spanned!(span=> ::sandglass_sdk::__private::#of::finish)
}

/// A text, or none, as an expression of the type `Option<&'static str>`.
pub fn optional(text: Option<&LitStr>) -> TokenStream {
    match text {
        Some(text) => quote!(::std::option::Option::Some(#text)),
        None => quote!(::std::option::Option::None),
    }
}

/// The body of `complete(argument, typing)`.
pub fn complete(parameters: &[Parameter], argument: &Ident) -> TokenStream {
    let arms = parameters.iter().filter_map(|parameter| {
        let (name, complete) = (parameter.name.to_string(), parameter.complete.as_ref()?);
        Some(quote!(#name => #complete(typing),))
    });
    quote! {
        match #argument {
            #(#arms)*
            _ => ::std::vec::Vec::new(),
        }
    }
}
