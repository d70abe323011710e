//! JSON text that shows what is hidden in it, by JSON's own escapes (RFC 8259, section 7): it says the same before and
//! after.

use std::fmt::{self, Display, Write};

use crate::hidden::is_hidden;

/// JSON text in one line: without the space between its tokens.
pub struct OneLine<'a>(pub &'a str);

impl Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut in_string = false;
        let mut is_escaped = false;
        for character in self.0.chars() {
            if !in_string && matches!(character, ' ' | '\t' | '\n' | '\r') {
                continue;
            }
            if character == '"' && !is_escaped {
                in_string = !in_string;
            }
            is_escaped = in_string && character == '\\' && !is_escaped;
            write(f, character)?;
        }
        Ok(())
    }
}

/// JSON text as it is laid out.
pub fn laid_out(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        // In strings it is escaped already.
        if character == '\n' {
            shown.push('\n');
        } else {
            _ = write(&mut shown, character);
        }
    }
    shown
}

fn write(into: &mut impl Write, character: char) -> fmt::Result {
    if !is_hidden(character) {
        return into.write_char(character);
    }
    character
        .encode_utf16(&mut [0; 2])
        .iter()
        .try_for_each(|unit| write!(into, "\\u{unit:04x}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_line_has_no_breaks_and_says_the_same() {
        let text = "[\"done\",\n\"a \\\" \\\\\",\r\n { \"b c\" :\t1 }]";
        assert_eq!(OneLine(text).to_string(), r#"["done","a \" \\",{"b c":1}]"#);
    }

    #[test]
    fn what_is_hidden_is_escaped() {
        let value = json!({"a\u{202e}": "\u{9b}2J\u{7f}\u{e0041}\u{1b}"});
        assert_eq!(
            OneLine(&value.to_string()).to_string(),
            r#"{"a\u202e":"\u009b2J\u007f\udb40\udc41\u001b"}"#
        );
    }

    proptest! {
        #[test]
        fn all_json_says_the_same(text in any::<String>(), key in any::<String>()) {
            let value = json!({"list": [&text, {&key: &text}, 1.5, null]});
            for written in [value.to_string(), format!("{value:#}")] {
                let line = OneLine(&written).to_string();
                prop_assert!(!line.chars().any(is_hidden));
                prop_assert_eq!(&serde_json::from_str::<Value>(&line).unwrap(), &value);
                let shown = laid_out(&written);
                prop_assert!(!shown.chars().any(|c| is_hidden(c) && c != '\n'));
                prop_assert_eq!(&serde_json::from_str::<Value>(&shown).unwrap(), &value);
            }
        }
    }
}
