//! From a function to a prompt.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Ident, ItemFn, ext::IdentExt, spanned::Spanned};

use crate::{
    doc,
    options::PromptOptions,
    parameter::{self, Parameter},
};

/// The function and, beside it, the type of the same name that stands for the prompt.
pub fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut function: ItemFn = match syn::parse2(item) {
        Ok(function) => function,
        Err(error) => return error.into_compile_error(),
    };
    let parameters = parameter::take(&mut function, "prompt");
    let prompt = parameters.and_then(|parameters| {
        let options: PromptOptions = syn::parse2(options)?;
        prompt(&options, &function, &parameters)
    });
    let prompt = prompt.unwrap_or_else(syn::Error::into_compile_error);
    quote!(#function #prompt)
}

fn prompt(
    options: &PromptOptions,
    function: &ItemFn,
    parameters: &[Parameter],
) -> syn::Result<TokenStream> {
    let sdk = quote!(::sandglass_sdk::__private);
    let (ident, visibility) = (&function.sig.ident, &function.vis);
    let name = match &options.name {
        Some(name) => name.value(),
        None => ident.unraw().to_string(),
    };
    let title = parameter::optional(options.title.as_ref());
    let description = doc::text(&function.attrs)?;
    let arguments = parameters.iter().map(|parameter| {
        let (name, description, r#type) = (
            parameter.name.to_string(),
            &parameter.description,
            &parameter.r#type,
        );
        let span = r#type.span().resolved_at(Span::call_site());
        let required =
            quote_spanned!(span=> <#r#type as ::sandglass_sdk::__private::PromptArgument>::REQUIRED);
        quote! {
            #sdk::ArgumentDescription {
                name: #name.to_owned(),
                title: ::std::option::Option::None,
                description: #sdk::description(#description),
                required: #required,
            }
        }
    });
    let values = parameters.iter().map(|parameter| {
        let name = parameter.name.to_string();
        quote!(#sdk::read_argument(#name, arguments)?)
    });
    let finish = parameter::finish(function, quote!(IntoPrompt));
    let complete = parameter::complete(parameters, &Ident::new("argument", Span::call_site()));
    Ok(quote! {
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code)]
        #visibility enum #ident {}

        #[automatically_derived]
        impl #sdk::PromptFunction for #ident {
            const NAME: &'static str = #name;

            fn describe() -> #sdk::PromptDescription {
                #sdk::PromptDescription {
                    name: #name.to_owned(),
                    title: #title.map(str::to_owned),
                    description: #sdk::description(#description),
                    arguments: ::std::vec![#(#arguments),*],
                    icons: ::std::vec::Vec::new(),
                    meta: ::std::option::Option::None,
                }
            }

            #[allow(unused_variables)]
            fn get(
                arguments: &[(::std::string::String, ::std::string::String)],
            ) -> ::std::result::Result<#sdk::PromptResult, #sdk::PromptError> {
                let messages = #finish(#ident(#(#values),*))?;
                ::std::result::Result::Ok(#sdk::PromptResult {
                    description: #sdk::description(#description),
                    messages,
                })
            }

            #[allow(unused_variables)]
            fn complete(
                argument: &str,
                typing: &#sdk::Typing,
            ) -> ::std::vec::Vec<::std::string::String> {
                #complete
            }
        }
    })
}
