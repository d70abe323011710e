//! Hidden characters in data: all its strings are looked through, and the keys of its objects.

use std::fmt::{self, Display};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::hidden::{self, Kind};
use crate::line::Line;

/// A character that a reader does not see, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    character: char,
    /// The parts of a JSON pointer (RFC 6901), the innermost first.
    steps: Vec<String>,
}

impl Found {
    /// The same, seen from further outside.
    pub fn within(mut self, step: impl Display) -> Self {
        let step = step.to_string().replace('~', "~0").replace('/', "~1");
        self.steps.push(step);
        self
    }
}

impl Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.steps.iter().rev();
        let place: String = steps.flat_map(|step| ["/", step]).collect();
        let (place, character) = (Line::name(place), u32::from(self.character));
        write!(
            f,
            "`{place}` has the character U+{character:04X}, which a reader does not see: remove it"
        )
    }
}

impl std::error::Error for Found {}

/// Looks for a hidden character in a text.
pub fn text(text: &str, kind: Kind) -> Result<(), Found> {
    match hidden::find(text, kind) {
        None => Ok(()),
        Some(character) => Err(Found {
            character,
            steps: Vec::new(),
        }),
    }
}

/// Looks for one in data of any form, such as JSON text or a JSON value. A string may have lines, a key is one. The outer
/// error is the data's own. Takes time in proportion to the data's size, and next to no memory.
pub fn data<'de, D: Deserializer<'de>>(data: D) -> Result<Result<(), Found>, D::Error> {
    let mut found = None;
    Look(&mut found).deserialize(data)?;
    Ok(found.map_or(Ok(()), Err))
}

struct Look<'a>(&'a mut Option<Found>);

impl Look<'_> {
    fn look(&mut self, string: &str, kind: Kind) {
        if self.0.is_none() {
            *self.0 = text(string, kind).err();
        }
    }

    /// What comes up in `look` is below this step.
    fn below<T>(&mut self, step: impl Display, look: impl FnOnce(&mut Self) -> T) -> T {
        let is_known = self.0.is_some();
        let done = look(self);
        if !is_known {
            *self.0 = self.0.take().map(|found| found.within(step));
        }
        done
    }
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, data: D) -> Result<(), D::Error> {
        data.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("data")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(mut self, string: &str) -> Result<(), E> {
        self.look(string, Kind::Lines);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0_usize;
        while self
            .below(index, |look| items.next_element_seed(Look(&mut *look.0)))?
            .is_some()
        {
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key::<String>()? {
            self.below(&key, |look| {
                look.look(&key, Kind::Line);
                members.next_value_seed(Look(&mut *look.0))
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::hidden::is_hidden;

    fn place(value: &Value) -> Option<String> {
        let found = data(value).unwrap().err();
        let text = value.to_string();
        let mut reader = serde_json::Deserializer::from_str(&text);
        assert_eq!(data(&mut reader).unwrap().err(), found);
        found.map(|found| found.to_string())
    }

    #[test]
    fn all_strings_and_keys_are_looked_through() {
        for (value, pointer) in [
            (json!("\u{200b}"), ""),
            (json!({"a": [1, "b", {"c/d~": "\u{200b}"}]}), "/a/2/c~1d~0"),
            (
                json!({"a": {"b\u{200b}": 1}, "c": "\u{202e}"}),
                "/a/b\\u{200b}",
            ),
            (json!([[["x", "\u{200b}", "\u{202e}"]]]), "/0/0/1"),
        ] {
            let told = place(&value).unwrap();
            let expected = format!("`{pointer}` has the character U+200B, which");
            assert!(told.starts_with(&expected), "{told}");
        }
        let fine = json!({"a b": [null, true, -1, 1.5, u64::MAX, "a\n\tb"]});
        assert_eq!(place(&fine), None);
        assert!(place(&json!({"a\n": 1})).is_some());
    }

    #[test]
    fn a_place_is_bounded() {
        let told = place(&json!({"x".repeat(100_000): "\u{200b}"})).unwrap();
        assert!(told.len() < 400, "{told}");
    }

    #[test]
    fn what_is_no_json_is_its_own_error() {
        let mut reader = serde_json::Deserializer::from_str("{");
        assert!(data(&mut reader).is_err());
    }

    fn any_hidden() -> impl Strategy<Value = char> {
        let hidden = ('\0'..=char::MAX).filter(|c| is_hidden(*c) && !matches!(c, '\n' | '\t'));
        proptest::sample::select(hidden.collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn no_hidden_character_is_overlooked(before in "[a-zé]*", hidden in any_hidden(), after in "[a-zé]*") {
            let text = format!("{before}{hidden}{after}");
            for value in [json!({"list": [&text]}), json!({&text: 1})] {
                let told = place(&value).unwrap();
                prop_assert!(told.contains(&format!("U+{:04X}", u32::from(hidden))), "{}", told);
            }
        }
    }
}
