//! What a JSON text takes in memory once it is read, told from its bytes: before it is read.

/// Bytes that a value takes at most, while it is read: as it is, in its list that has room to grow, and once more where a
/// message is of one of several kinds and is read for each.
const VALUE: usize = 160;

/// Bytes that an object takes besides its values: room for its first entries.
const OBJECT: usize = 640;

/// Bytes that an entry of an object takes besides its value and the bytes of its name.
const ENTRY: usize = 160;

/// The bytes that reading this text takes at most, besides the text. What is no JSON weighs something, too.
pub fn weight(text: &[u8]) -> usize {
    let (mut values, mut objects, mut entries, mut strings) = (1, 0, 0, 0);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b',' | b'[' => values += 1,
            b'{' => {
                values += 1;
                objects += 1;
            }
            b':' => entries += 1,
            b'"' => {
                let begin = at;
                at = end_of_string(text, at);
                // Names and texts, each once or twice.
                strings += 2 * (at - begin);
            }
            _ => {}
        }
    }
    values * VALUE + objects * OBJECT + entries * ENTRY + strings
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
        assert!(weight(text.as_bytes()) < 3 * text.len());
        let numbers = format!("[{}0]", "0,".repeat(10_000));
        assert!(weight(numbers.as_bytes()) >= 10_000 * VALUE);
        let objects = format!("[{}{{}}]", r#"{"":0},"#.repeat(10_000));
        assert!(weight(objects.as_bytes()) >= 10_000 * (VALUE + OBJECT + ENTRY));
    }

    #[test]
    fn a_string_without_an_end_ends_with_the_text() {
        for text in [r#""a"#, r#""a\"#, r#""a\""#, r#"""#] {
            assert_eq!(end_of_string(text.as_bytes(), 1), text.len(), "{text}");
        }
        assert_eq!(end_of_string(br#""a\\" "#, 1), 5);
    }
}
