//! Hidden characters, shown.

use std::fmt::{self, Write};

use crate::hidden::{self, Kind, is_hidden};

/// Text with its line breaks and tabs, in which what else is hidden is shown escaped, as `\u{202e}`: for terminals.
pub fn lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut done = 0;
    for (at, character) in hidden::hidden(text, Kind::Lines) {
        shown.push_str(&text[done..at]);
        shown.extend(character.escape_default());
        done = at + character.len_utf8();
    }
    shown.push_str(&text[done..]);
    shown
}

/// Takes so many bytes of text in one line, with what is hidden escaped, and counts what there is more.
pub(crate) struct Cut<'a> {
    into: &'a mut dyn Write,
    left: usize,
    more: u64,
}

impl<'a> Cut<'a> {
    pub fn new(into: &'a mut dyn Write, max: usize) -> Self {
        Self {
            into,
            left: max,
            more: 0,
        }
    }

    /// Says what was left out.
    pub fn finish(self) -> fmt::Result {
        match self.more {
            0 => Ok(()),
            more => write!(self.into, " .. ({more} bytes more)"),
        }
    }

    /// All of a piece as it is shown, or from now on nothing; `bytes` is what it takes in the text.
    fn take(&mut self, shown: &str, bytes: usize) -> fmt::Result {
        if self.more > 0 || shown.len() > self.left {
            self.more += bytes as u64;
            return Ok(());
        }
        self.left -= shown.len();
        self.into.write_str(shown)
    }
}

impl Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while self.more == 0 && !rest.is_empty() {
            let end = rest.find(is_hidden).unwrap_or(rest.len());
            let (seen, after) = rest.split_at(end);
            let (fits, excess) = seen.split_at(seen.floor_char_boundary(self.left));
            self.take(fits, fits.len())?;
            if !excess.is_empty() {
                self.take(excess, excess.len())?;
            }
            let mut after = after.chars();
            if let Some(character) = after.next() {
                let shown = character.escape_default().to_string();
                self.take(&shown, character.len_utf8())?;
            }
            rest = after.as_str();
        }
        // What is left out is not looked at.
        self.more += rest.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_and_what_is_hidden_shows() {
        assert_eq!(lines("a\n\t\u{1b}[31mred"), "a\n\t\\u{1b}[31mred");
        assert_eq!(lines("a\u{9b}2J\u{202e}b\rc"), "a\\u{9b}2J\\u{202e}b\\rc");
        let emoji = "\u{1f469}\u{200d}\u{1f52c}\r\n";
        assert_eq!(lines(emoji), emoji);
    }
}
