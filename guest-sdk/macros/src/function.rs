//! From a function to a tool.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Attribute, Error, FnArg, Ident, Item, ItemFn, Pat, Result, ReturnType, Signature, Type,
    ext::IdentExt, spanned::Spanned,
};

use crate::{
    doc,
    options::{Hints, Options},
};

/// Names that are types wherever they are not shadowed. A tool is a type of
/// its function's name, so it would shadow them.
const PRIMITIVES: [&str; 17] = [
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8", "u16",
    "u32", "u64", "u128", "usize",
];

/// The function and, beside it, the type of the same name that stands for the
/// tool. After an error the function is still there, so that the one error is
/// not followed by others that say it is missing.
pub fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut function = match function(item) {
        Ok(function) => function,
        Err(error) => return error.into_compile_error(),
    };
    let tool = syn::parse2(options)
        .and_then(|options| Tool::new(options, &function))
        .map_or_else(Error::into_compile_error, |tool| tool.into_token_stream());
    strip(&mut function);
    quote!(#function #tool)
}

fn function(item: TokenStream) -> Result<ItemFn> {
    match syn::parse2(item)? {
        Item::Fn(function) => Ok(function),
        other => Err(Error::new_spanned(
            other,
            "`#[tool]` makes a tool of a function: put it on a `fn`",
        )),
    }
}

/// Takes the attributes away that belong to the arguments' schema: Rust
/// refuses them on parameters.
fn strip(function: &mut ItemFn) {
    for input in &mut function.sig.inputs {
        let (FnArg::Typed(syn::PatType { attrs, .. })
        | FnArg::Receiver(syn::Receiver { attrs, .. })) = input;
        attrs.retain(|attribute| !describes(attribute));
    }
}

/// Whether an attribute of a parameter belongs to its schema.
fn describes(attribute: &Attribute) -> bool {
    ["doc", "serde", "schemars"]
        .iter()
        .any(|name| attribute.path().is_ident(name))
}

struct Tool<'a> {
    function: &'a ItemFn,
    name: String,
    title: Option<String>,
    description: String,
    hints: Hints,
    task: Option<String>,
    input_schema: Option<syn::Expr>,
    arguments: Vec<Argument<'a>>,
    returns: TokenStream,
    output: Option<Type>,
}

struct Argument<'a> {
    name: &'a Ident,
    attributes: Vec<&'a Attribute>,
    r#type: &'a Type,
}

impl<'a> Tool<'a> {
    fn new(options: Options, function: &'a ItemFn) -> Result<Self> {
        let mut errors = Errors::default();
        check_signature(&function.sig, &mut errors);
        let mut arguments = Vec::new();
        for input in &function.sig.inputs {
            errors
                .note(Argument::new(input))
                .into_iter()
                .for_each(|argument| arguments.push(argument));
        }
        let description = errors.note(doc::text(&function.attrs)).unwrap_or_default();
        let returns = errors
            .note(returns(&function.sig.output))
            .unwrap_or_default();
        errors.into_result()?;
        Ok(Self {
            function,
            name: match options.name {
                Some(name) => name.value(),
                None => function.sig.ident.unraw().to_string(),
            },
            title: options.title.map(|title| title.value()),
            description,
            hints: options.hints,
            task: options.task.map(|task| task.value()),
            input_schema: options.input_schema,
            arguments,
            returns,
            output: options.output,
        })
    }
}

fn check_signature(signature: &Signature, errors: &mut Errors) {
    if let syn::Safety::Unsafe(unsafety) = &signature.safety {
        errors.add(
            unsafety,
            "a tool can't be `unsafe`: anybody may call it with any arguments",
        );
    }
    if !signature.generics.params.is_empty() {
        errors.add(
            &signature.generics,
            "a tool can't be generic: its schema needs the types of its arguments and its result",
        );
    }
    let name = signature.ident.to_string();
    if PRIMITIVES.contains(&name.as_str()) {
        errors.add(
            &signature.ident,
            format!("`{name}` is a type of Rust: call the function otherwise and write `#[tool(name = \"{name}\")]`"),
        );
    }
}

/// The type that the function returns.
fn returns(output: &ReturnType) -> Result<TokenStream> {
    match output {
        ReturnType::Default => Ok(quote!(())),
        ReturnType::Type(_, r#type) if matches!(**r#type, Type::ImplTrait(_)) => {
            Err(Error::new_spanned(
                r#type,
                "the result of a tool needs a type with a name: its schema is made from that type",
            ))
        }
        ReturnType::Type(_, r#type) => Ok(r#type.to_token_stream()),
    }
}

impl<'a> Argument<'a> {
    fn new(input: &'a FnArg) -> Result<Self> {
        let input = match input {
            FnArg::Typed(input) => input,
            FnArg::Receiver(receiver) => {
                return Err(Error::new_spanned(
                    receiver,
                    "a tool has no `self`: each call starts in a new instance, so there is nothing it could hold",
                ));
            }
        };
        let name = match &*input.pat {
            Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
                &pattern.ident
            }
            other => {
                return Err(Error::new_spanned(
                    other,
                    "an argument of a tool needs a name, since its callers pass it by name: write `name: Type`",
                ));
            }
        };
        match &*input.ty {
            Type::Reference(reference) => Err(Error::new_spanned(
                reference,
                "an argument of a tool must own its data: take `String` for `&str`, `Vec<T>` for `&[T]`",
            )),
            Type::ImplTrait(r#type) => Err(Error::new_spanned(
                r#type,
                "an argument of a tool needs a type with a name: its schema is made from that type",
            )),
            r#type => Ok(Self {
                name,
                attributes: input
                    .attrs
                    .iter()
                    .filter(|attribute| describes(attribute))
                    .collect(),
                r#type,
            }),
        }
    }

    /// The argument as a field of the struct that is read from JSON.
    fn field(&self) -> TokenStream {
        let Self {
            name,
            attributes,
            r#type,
        } = self;
        quote!(#(#attributes)* #name: #r#type)
    }

    /// A check with a message about tools where the field alone would give one about serde.
    fn check(&self, sdk: &TokenStream) -> TokenStream {
        let r#type = self.r#type;
        let span = r#type.span().resolved_at(Span::call_site());
        quote_spanned!(span=> #sdk::check_argument::<#r#type>();)
    }
}

impl ToTokens for Tool<'_> {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let sdk = quote!(::sandglass_sdk::__private);
        let Self {
            name,
            description,
            returns,
            ..
        } = self;
        let (function, visibility) = (&self.function.sig.ident, &self.function.vis);
        let title = match &self.title {
            Some(title) => quote!(Some(#title)),
            None => quote!(None),
        };
        let annotations = self.hints.annotations(&sdk);
        let input_schema = match &self.input_schema {
            Some(schema) => quote!(Some(#schema)),
            None => quote!(None),
        };
        let task = match self.task.as_deref() {
            Some("required") => quote!(Some(#sdk::TaskSupport::Required)),
            Some(_) => quote!(Some(#sdk::TaskSupport::Optional)),
            None => quote!(None),
        };
        let names: Vec<_> = self
            .arguments
            .iter()
            .map(|argument| argument.name)
            .collect();
        let fields = self.arguments.iter().map(Argument::field);
        let checks = self.arguments.iter().map(|argument| argument.check(&sdk));
        let mut call = quote!(#function(#(#names),*));
        if self.function.sig.asyncness.is_some() {
            call = quote!(#sdk::block_on(#call));
        }
        // A type that can't be a result is reported where it stands.
        let span = returns.span().resolved_at(Span::call_site());
        let there = quote_spanned!(span=> ::sandglass_sdk::__private);
        let probe = quote_spanned!(span=> #there::Probe::<#returns>::new());
        let schema = match &self.output {
            Some(declared) => {
                quote_spanned!(declared.span()=> <#declared as #sdk::Value>::schema())
            }
            None => quote_spanned!(span=> #probe.success().schema()),
        };
        let split = quote_spanned!(span=> #probe.split(#call)?);
        let output = quote_spanned!(span=> #there::probe(&success).output(success));
        tokens.extend(quote! {
            #[doc(hidden)]
            #[allow(non_camel_case_types, dead_code)]
            #visibility enum #function {}

            const _: () = {
                // First, so that its messages come before those of the derives.
                #[allow(dead_code)]
                fn __check() { #(#checks)* }

                #[derive(#sdk::serde::Deserialize, #sdk::schemars::JsonSchema)]
                #[serde(crate = "::sandglass_sdk::__private::serde", deny_unknown_fields)]
                #[schemars(crate = "::sandglass_sdk::__private::schemars")]
                struct __Arguments { #(#fields),* }

                #[automatically_derived]
                impl #sdk::ToolFunction for #function {
                    const NAME: &'static str = #name;

                    fn describe() -> #sdk::ToolDescription {
                        use #sdk::{Infallible as _, Plain as _};
                        #sdk::Summary {
                            name: #name,
                            title: #title,
                            description: #description,
                            annotations: #annotations,
                            task: #task,
                            input_schema: #input_schema,
                        }
                        .describe::<__Arguments>(#schema)
                    }

                    fn call(arguments: &str) -> Result<#sdk::Success, #sdk::CallError> {
                        use #sdk::{Infallible as _, Plain as _};
                        let __Arguments { #(#names),* } = #sdk::read(arguments)?;
                        let success = #split;
                        #output.finish()
                    }
                }
            };
        });
    }
}

/// All that is wrong with a function, so that it is reported at once.
#[derive(Default)]
struct Errors(Option<Error>);

impl Errors {
    fn add(&mut self, at: impl ToTokens, message: impl std::fmt::Display) {
        self.push(Error::new_spanned(at, message));
    }

    fn note<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    fn into_result(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::expand;

    /// What the compiler would print for a function with `#[tool]`.
    fn errors(function: proc_macro2::TokenStream) -> Vec<String> {
        let made: syn::File = syn::parse2(expand(quote!(), function)).unwrap();
        made.items
            .iter()
            .filter_map(|item| match item {
                syn::Item::Macro(item) => {
                    Some(item.mac.parse_body::<syn::LitStr>().unwrap().value())
                }
                _ => None,
            })
            .collect()
    }

    fn error(function: proc_macro2::TokenStream) -> String {
        let errors = errors(function);
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors.into_iter().next().unwrap()
    }

    #[test]
    fn a_plain_function_becomes_a_tool_and_stays_a_function() {
        let made = expand(
            quote!(),
            quote!(
                pub fn add(
                    /** One. */
                    a: i64,
                    #[serde(default)] b: i64,
                ) -> i64 {
                    a + b
                }
            ),
        );
        let start = quote! {
            pub fn add(a: i64, b: i64,) -> i64 { a + b }
            #[doc(hidden)]
            #[allow(non_camel_case_types, dead_code)]
            pub enum add {}
        };
        assert!(made.to_string().starts_with(&start.to_string()), "{made}");
    }

    #[test]
    fn what_is_no_function_is_refused() {
        assert_eq!(
            error(quote!(
                struct Add;
            )),
            "`#[tool]` makes a tool of a function: put it on a `fn`"
        );
    }

    #[test]
    fn a_method_is_refused() {
        for function in [
            quote!(
                fn add(&self) {}
            ),
            quote!(
                fn add(self: Box<Self>) {}
            ),
        ] {
            assert!(error(function).starts_with("a tool has no `self`"));
        }
    }

    #[test]
    fn generic_and_unsafe_functions_are_refused() {
        assert!(
            error(quote!(
                fn add<T>(a: T) {}
            ))
            .starts_with("a tool can't be generic")
        );
        assert!(
            error(quote!(
                fn add<'a>(a: Cow<'a, str>) {}
            ))
            .starts_with("a tool can't be generic")
        );
        assert!(
            error(quote!(
                unsafe fn add() {}
            ))
            .starts_with("a tool can't be `unsafe`")
        );
    }

    #[test]
    fn arguments_need_a_name_and_must_own_their_data() {
        for argument in [
            quote!(_: i64),
            quote!((a, b): (i64, i64)),
            quote!(ref a: i64),
        ] {
            assert!(
                error(quote!(fn add(#argument) {}))
                    .starts_with("an argument of a tool needs a name")
            );
        }
        assert!(
            error(quote!(
                fn add(a: &str) {}
            ))
            .starts_with("an argument of a tool must own its data")
        );
        for message in [
            error(quote!(
                fn add(a: impl Read) {}
            )),
            error(quote!(
                fn add() -> impl Read {}
            )),
        ] {
            assert!(message.contains("needs a type with a name"), "{message}");
        }
    }

    #[test]
    fn all_errors_are_reported_at_once() {
        assert_eq!(
            errors(quote!(
                unsafe fn add<T>(&self, _: T) -> impl Display {}
            ))
            .len(),
            5
        );
    }

    #[test]
    fn a_function_called_like_a_primitive_type_is_refused() {
        assert_eq!(
            error(quote!(
                fn char() {}
            )),
            "`char` is a type of Rust: call the function otherwise and write `#[tool(name = \"char\")]`"
        );
    }
}
