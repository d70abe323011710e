//! Text in one line.

use std::fmt::{self, Display, Write};
use std::ops::Deref;

use serde::Serialize;

use crate::escape::Cut;

/// Text in one line of bounded length, in which hidden characters are shown escaped, as `\n` and `\u{202e}`. Whatever it was
/// made of can be shown to a person, and stand in a log.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Line(String);

impl Line {
    /// Bytes of a line.
    pub const MAX: usize = 4 << 10;

    /// Bytes of what others say, within one.
    pub const MAX_EXCERPT: usize = 3 << 10;

    /// Bytes of what is named within one.
    pub const MAX_NAME: usize = 256;

    /// At most [`Line::MAX`] bytes of a text, and how many more there are.
    pub fn new(text: impl Display) -> Self {
        Self::within(Self::MAX, text)
    }

    /// The same of what others say: with the words around it, it is a line.
    pub fn excerpt(text: impl Display) -> Self {
        Self::within(Self::MAX_EXCERPT, text)
    }

    /// The same of a name, or what ought to be one.
    pub fn name(text: impl Display) -> Self {
        Self::within(Self::MAX_NAME, text)
    }

    /// At most `max` bytes of a text, and how many more there are.
    pub fn within(max: usize, text: impl Display) -> Self {
        let mut line = String::new();
        let mut cut = Cut::new(&mut line, max);
        // A string takes all that it is given; what does not want to be shown is shown as far as it came.
        _ = write!(cut, "{text}").and_then(|()| cut.finish());
        Self(line)
    }
}

impl Deref for Line {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<Line> for String {
    fn from(line: Line) -> Self {
        line.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hidden::is_hidden;

    #[test]
    fn what_is_hidden_is_shown_escaped() {
        let line = Line::new("a\r\nb\t\u{1b}[2J\u{85}\u{2028}\u{202e}\u{e0041}\u{200b}é");
        assert_eq!(
            &*line,
            "a\\r\\nb\\t\\u{1b}[2J\\u{85}\\u{2028}\\u{202e}\\u{e0041}\\u{200b}é"
        );
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        assert_eq!(&*Line::within(3, "abc"), "abc");
        assert_eq!(&*Line::within(3, "abcde"), "abc .. (2 bytes more)");
        assert_eq!(&*Line::within(3, "abéé"), "ab .. (4 bytes more)");
        assert_eq!(&*Line::within(3, "ab\nc"), "ab .. (2 bytes more)");
        let text = "x".repeat(1 << 20);
        assert!(Line::new(&text).len() < Line::MAX + 40);
    }

    struct InPieces<'a>(&'a str);

    impl Display for InPieces<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0
                .chars()
                .try_for_each(|character| f.write_char(character))
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_more_than_a_line(text in any::<String>(), max in 0_usize..64) {
            let line = Line::within(max, &text);
            prop_assert!(!line.chars().any(is_hidden));
            prop_assert!(line.len() <= max + 40);
            prop_assert_eq!(Line::within(max, InPieces(&text)), line);
        }
    }
}
