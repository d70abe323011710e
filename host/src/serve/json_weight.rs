//! What a JSON text takes in memory once it is read, told from its bytes: before it is read.

/// Bytes that a value takes at most while its list grows: three times its 72, for the list is copied into twice its room.
const VALUE: usize = 216;

/// Bytes of room for the first values of a list.
const LIST: usize = 288;

/// Bytes of room for the first entries of an object.
const OBJECT: usize = 360;

/// Bytes that an entry of an object takes more than a value of a list, besides its name.
const ENTRY: usize = 100;

/// What a text is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadAs {
    /// A value.
    Value,
    /// A message of MCP: a value, of which the message's parts are made.
    Message,
}

/// The bytes that reading this text takes at most, besides the text. What is no JSON weighs something, too.
pub fn weight(text: &[u8], read_as: ReadAs) -> usize {
    let (mut values, mut lists, mut objects, mut entries, mut strings) = (1, 0, 0, 0, 0);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b',' => values += 1,
            b'[' => lists += 1,
            b'{' => objects += 1,
            b':' => entries += 1,
            b'"' => {
                let begin = at;
                at = end_of_string(text, at);
                strings += at - begin;
            }
            _ => {}
        }
    }
    let values = values * VALUE + lists * LIST + objects * OBJECT + entries * ENTRY + strings;
    match read_as {
        ReadAs::Value => values,
        ReadAs::Message => 2 * values,
    }
}

/// Where a string ends that begins here.
fn end_of_string(text: &[u8], mut at: usize) -> usize {
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let Some(found) = memchr::memchr2(b'"', b'\\', rest) else {
            return text.len();
        };
        at += found + 1;
        if rest[found] == b'"' {
            return at;
        }
        // What is escaped is no end.
        at = (at + 1).min(text.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_weigh_more_than_text() {
        let text = format!("\"{}\"", r#"[{,:\""#.repeat(10_000));
        let read = |text: &str| weight(text.as_bytes(), ReadAs::Value);
        assert!(read(&text) < text.len() + 1_000);
        let numbers = format!("[{}0]", "0,".repeat(10_000));
        assert!(read(&numbers) >= 10_000 * VALUE);
        let objects = format!("[{}{{}}]", r#"{"":0},"#.repeat(10_000));
        assert!(read(&objects) >= 10_000 * (VALUE + OBJECT + ENTRY));
    }

    #[test]
    fn a_string_without_an_end_ends_with_the_text() {
        for text in [r#""a"#, r#""a\"#, r#""a\""#, r#"""#] {
            assert_eq!(end_of_string(text.as_bytes(), 1), text.len(), "{text}");
        }
        assert_eq!(end_of_string(br#""a\\" "#, 1), 5);
    }
}
