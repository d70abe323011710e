//! From a function to a resource, or to a family of resources.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Error, Ident, ItemFn, LitStr, ext::IdentExt};

use crate::{
    doc,
    options::ResourceOptions,
    parameter::{self, Parameter},
};

/// The function and, beside it, the type of the same name that stands for the resource.
pub fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut function: ItemFn = match syn::parse2(item) {
        Ok(function) => function,
        Err(error) => return error.into_compile_error(),
    };
    let parameters = parameter::take(&mut function, "resource");
    let resource = parameters.and_then(|parameters| {
        let options: ResourceOptions = syn::parse2(options)?;
        resource(&options, &function, &parameters)
    });
    let resource = resource.unwrap_or_else(Error::into_compile_error);
    quote!(#function #resource)
}

fn resource(
    options: &ResourceOptions,
    function: &ItemFn,
    parameters: &[Parameter],
) -> syn::Result<TokenStream> {
    let sdk = quote!(::sandglass_sdk::__private);
    let (ident, visibility) = (&function.sig.ident, &function.vis);
    let uri = options.uri.as_ref().ok_or_else(|| {
        Error::new_spanned(
            ident,
            "a resource needs its URI: write `#[resource(uri = \"..\")]`",
        )
    })?;
    check_variables(uri, parameters)?;
    let name = match &options.name {
        Some(name) => name.value(),
        None => ident.unraw().to_string(),
    };
    let title = parameter::optional(options.title.as_ref());
    let mime_type = parameter::optional(options.mime_type.as_ref());
    let description = doc::text(&function.attrs)?;
    let values = parameters.iter().map(|parameter| {
        let name = parameter.name.to_string();
        quote!(#sdk::read_variable(#name, variables)?)
    });
    let finish = parameter::finish(function, quote!(IntoResource));
    let complete = parameter::complete(parameters, &Ident::new("variable", Span::call_site()));
    Ok(quote! {
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code)]
        #visibility enum #ident {}

        #[automatically_derived]
        impl #sdk::ResourceFunction for #ident {
            const URI: &'static str = #uri;

            fn describe() -> #sdk::ResourceSummary {
                #sdk::ResourceSummary {
                    name: #name,
                    title: #title,
                    description: #description,
                    mime_type: #mime_type,
                }
            }

            #[allow(unused_variables)]
            fn read(
                uri: &str,
                variables: &[(&str, ::std::string::String)],
            ) -> ::std::result::Result<::std::vec::Vec<#sdk::ResourceContents>, #sdk::ReadError> {
                let contents = #finish(#ident(#(#values),*), uri)?;
                ::std::result::Result::Ok(#sdk::typed(contents, #mime_type))
            }

            #[allow(unused_variables)]
            fn complete(
                variable: &str,
                typing: &#sdk::Typing,
            ) -> ::std::vec::Vec<::std::string::String> {
                #complete
            }
        }
    })
}

/// The function's parameters are the template's variables.
fn check_variables(uri: &LitStr, parameters: &[Parameter]) -> syn::Result<()> {
    let text = uri.value();
    let variables: Vec<&str> = text
        .split('{')
        .skip(1)
        .map(|rest| rest.split('}').next().unwrap_or_default())
        .map(|variable| variable.trim_start_matches('+'))
        .collect();
    for parameter in parameters {
        let name = parameter.name.to_string();
        if !variables.contains(&name.as_str()) {
            let text = format!("the URI has no `{{{name}}}`");
            return Err(Error::new_spanned(&parameter.name, text));
        }
    }
    match variables
        .iter()
        .find(|variable| !parameters.iter().any(|one| one.name == **variable))
    {
        None => Ok(()),
        Some(variable) => Err(Error::new_spanned(
            uri,
            format!(
                "the function has no argument `{variable}` (templates have `{{name}}` and `{{+name}}`)"
            ),
        )),
    }
}
