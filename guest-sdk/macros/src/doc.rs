//! Doc comments as text.

use syn::{Attribute, Expr, ExprLit, Lit, Meta, Result};

/// The text of the doc comments among `attributes`, without the space that
/// follows `///`. Empty if there are none.
pub fn text(attributes: &[Attribute]) -> Result<String> {
    let mut lines = Vec::new();
    for attribute in attributes {
        let Meta::NameValue(meta) = &attribute.meta else {
            continue;
        };
        if !meta.path.is_ident("doc") {
            continue;
        }
        let Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) = &meta.value
        else {
            return Err(syn::Error::new_spanned(
                &meta.value,
                "the description of a tool must be a doc comment or a string literal",
            ));
        };
        // One `/** .. */` comment is one attribute with several lines.
        for line in text.value().split('\n') {
            lines.push(line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned());
        }
    }
    Ok(lines.join("\n").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use syn::{ItemFn, parse_quote};

    use super::text;

    #[test]
    fn lines_are_joined_and_the_indentation_of_code_is_kept() {
        let function: ItemFn = parse_quote! {
            /// Adds.
            ///
            ///     1 + 1
            #[inline]
            fn add() {}
        };
        assert_eq!(text(&function.attrs).unwrap(), "Adds.\n\n    1 + 1");
    }

    #[test]
    fn no_comment_is_an_empty_text() {
        let function: ItemFn = parse_quote! { fn add() {} };
        assert_eq!(text(&function.attrs).unwrap(), "");
    }
}
