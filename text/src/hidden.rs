//! Characters that a reader does not see, by their Unicode properties (UAX #44).

use icu_properties::props::{
    BidiControl, CanonicalCombiningClass, DefaultIgnorableCodePoint, EmojiModifier,
    ExtendedPictographic, GeneralCategory, JoiningType,
};
use icu_properties::{CodePointMapData, CodePointSetData, CodePointSetDataBorrowed};

const IGNORABLE: CodePointSetDataBorrowed<'static> =
    CodePointSetData::new::<DefaultIgnorableCodePoint>();
const BIDIRECTIONAL: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<BidiControl>();
const PICTOGRAPHIC: CodePointSetDataBorrowed<'static> =
    CodePointSetData::new::<ExtendedPictographic>();
const MODIFIER: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<EmojiModifier>();

const NON_JOINER: char = '\u{200c}';
const JOINER: char = '\u{200d}';
/// Asks for an emoji's coloured form.
const EMOJI_STYLE: char = '\u{fe0f}';
/// Makes a key of the digit before it.
const KEYCAP: char = '\u{20e3}';

/// What a text is, and with it which hidden characters may stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A URI, a media type, a key of a protocol: none.
    Word,
    /// A name or a title: joiners and selectors where they change what is seen. These are U+200C and U+200D where IDNA
    /// allows them (RFC 5892, appendix A), U+200D between emoji (UAX #29, GB11), and U+FE0F after an emoji, or in a keycap.
    Line,
    /// A description: these, tabs and line breaks.
    Lines,
}

/// Whether a reader does not see the character, or sees others elsewhere for it: Default_Ignorable_Code_Point,
/// Bidi_Control, and the categories Cc, Cf, Zl and Zp.
pub fn is_hidden(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    matches!(
        category,
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    ) || IGNORABLE.contains(character)
        || BIDIRECTIONAL.contains(character)
}

/// The first hidden character that may not stand in a text of this kind.
pub fn find(text: &str, kind: Kind) -> Option<char> {
    hidden(text, kind).next().map(|(_, character)| character)
}

/// All of them, with their places in bytes. Takes time in proportion to the text's length.
pub(crate) fn hidden(text: &str, kind: Kind) -> impl Iterator<Item = (usize, char)> {
    text.char_indices().filter(move |&(at, character)| {
        is_hidden(character) && {
            let after = &text[at + character.len_utf8()..];
            !may_stand(&text[..at], character, after, kind)
        }
    })
}

fn may_stand(before: &str, character: char, after: &str, kind: Kind) -> bool {
    match character {
        '\t' | '\n' => kind == Kind::Lines,
        '\r' => kind == Kind::Lines && after.starts_with('\n'),
        NON_JOINER => kind != Kind::Word && (follows_virama(before) || parts(before, after)),
        JOINER => kind != Kind::Word && (follows_virama(before) || combines(before, after)),
        EMOJI_STYLE => kind != Kind::Word && is_styled(before, after),
        _ => false,
    }
}

/// RFC 5892, appendix A.1 and A.2: the joiner says how consonants are drawn.
fn follows_virama(before: &str) -> bool {
    let class = |c| CodePointMapData::<CanonicalCombiningClass>::new().get(c);
    before
        .chars()
        .next_back()
        .is_some_and(|last| class(last) == CanonicalCombiningClass::Virama)
}

/// RFC 5892, appendix A.1: the characters around it would join without it.
fn parts(before: &str, after: &str) -> bool {
    let joining = |c: char| CodePointMapData::<JoiningType>::new().get(c);
    let drawn = |kind: &JoiningType| *kind != JoiningType::Transparent;
    let left = before.chars().rev().map(joining).find(drawn);
    let right = after.chars().map(joining).find(drawn);
    matches!(
        left,
        Some(JoiningType::LeftJoining | JoiningType::DualJoining)
    ) && matches!(
        right,
        Some(JoiningType::RightJoining | JoiningType::DualJoining)
    )
}

/// Whether it makes one emoji of those around it.
fn combines(before: &str, after: &str) -> bool {
    let before = before.strip_suffix(EMOJI_STYLE).unwrap_or(before);
    let before = before
        .strip_suffix(|c| MODIFIER.contains(c))
        .unwrap_or(before);
    before.ends_with(|c| PICTOGRAPHIC.contains(c))
        && after.starts_with(|c| PICTOGRAPHIC.contains(c))
}

fn is_styled(before: &str, after: &str) -> bool {
    let is_key = |c: char| c.is_ascii_digit() || c == '#' || c == '*';
    before.ends_with(|c| PICTOGRAPHIC.contains(c))
        || (before.ends_with(is_key) && after.starts_with(KEYCAP))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex_syntax::hir::{Class, HirKind};

    use super::*;

    fn all() -> impl Iterator<Item = char> {
        '\0'..=char::MAX
    }

    /// What another implementation of the properties says.
    fn by_property() -> Vec<std::ops::RangeInclusive<char>> {
        let properties =
            r"[\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\p{Cc}\p{Cf}\p{Zl}\p{Zp}]";
        let parsed = regex_syntax::parse(properties).unwrap();
        let HirKind::Class(Class::Unicode(class)) = parsed.kind() else {
            panic!("it is a class")
        };
        class
            .iter()
            .map(|range| range.start()..=range.end())
            .collect()
    }

    #[test]
    fn all_that_have_one_of_the_properties_are_hidden() {
        let mut count = 0;
        for character in by_property().into_iter().flatten() {
            assert!(is_hidden(character), "{:04x}", u32::from(character));
            count += 1;
        }
        assert!(count > 4_000, "{count}");
    }

    #[test]
    fn what_is_seen_is_not_hidden() {
        assert!(all().filter(|c| c.is_alphanumeric()).all(|c| {
            // Fillers of Hangul are letters without a form.
            !is_hidden(c) || matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
        }));
        for character in " \u{a0}\u{3000}.,-_é€語🙂\u{301}".chars() {
            assert!(!is_hidden(character), "{character:?}");
        }
    }

    #[test]
    fn none_stands_alone_or_between_letters() {
        for character in all().filter(|c| is_hidden(*c)) {
            for text in [
                character.to_string(),
                format!("a{character}b"),
                format!("1{character}2"),
                format!("語{character}語"),
                format!("x{character}{character}"),
            ] {
                assert_eq!(find(&text, Kind::Word), Some(character), "{text:?}");
                assert_eq!(find(&text, Kind::Line), Some(character), "{text:?}");
                let is_layout = matches!(character, '\n' | '\t');
                let expected = (!is_layout).then_some(character);
                assert_eq!(find(&text, Kind::Lines), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn lines_break_and_have_tabs_where_they_may() {
        assert_eq!(find("a\tb\r\nc\n", Kind::Lines), None);
        assert_eq!(find("a\rb", Kind::Lines), Some('\r'));
        assert_eq!(find("a\nb", Kind::Line), Some('\n'));
        assert_eq!(find("a\tb", Kind::Line), Some('\t'));
    }

    #[test]
    fn joiners_stand_where_they_change_what_is_seen() {
        for text in [
            "\u{1f469}\u{200d}\u{1f52c}",
            "\u{1f469}\u{1f3fd}\u{200d}\u{1f52c}",
            "\u{1f575}\u{fe0f}\u{200d}\u{2642}\u{fe0f}",
            "\u{1f3f3}\u{fe0f}\u{200d}\u{1f308}",
            "\u{26a1}\u{fe0f} fast",
            "1\u{fe0f}\u{20e3}",
            // Persian, "I want"; Devanagari; Sinhala.
            "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}",
            "\u{915}\u{94d}\u{200d}\u{937} \u{915}\u{94d}\u{200c}\u{937}",
            "\u{dc1}\u{dca}\u{200d}\u{dbb}\u{dd3}",
        ] {
            assert_eq!(find(text, Kind::Line), None, "{text:?}");
            assert!(find(text, Kind::Word).is_some(), "{text:?}");
        }
        for text in [
            // An emoji and nothing to join, twice the same, letters, a digit that is no key.
            "\u{1f469}\u{200d}",
            "\u{1f469}\u{200d}a",
            "\u{1f469}\u{200d}\u{200d}\u{1f52c}",
            "a\u{200d}\u{1f52c}",
            "\u{26a1}\u{fe0f}\u{fe0f}",
            "1\u{fe0f}",
            "\u{645}\u{200c}",
            "\u{645}\u{200c}\u{200c}\u{645}",
            "\u{627}\u{200c}\u{645}",
            "\u{94d}\u{200c}\u{200c}",
            // Other selectors, and those of flags.
            "\u{26a1}\u{fe0e}",
            "\u{8fbb}\u{e0100}",
            "\u{1f3f4}\u{e0067}\u{e0062}\u{e007f}",
        ] {
            assert!(find(text, Kind::Lines).is_some(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_passes_for_a_word_has_nothing_hidden(text in any::<String>()) {
            let hidden = text.chars().find(|c| is_hidden(*c));
            prop_assert_eq!(find(&text, Kind::Word), hidden);
        }

        #[test]
        fn each_kind_lets_through_what_the_stricter_does(text in "[\\PC\u{200c}\u{200d}\u{fe0f}\n\t\r\u{1f469}\u{94d}]*") {
            let found = [Kind::Word, Kind::Line, Kind::Lines].map(|kind| hidden(&text, kind).count());
            prop_assert!(found.is_sorted_by(|stricter, laxer| stricter >= laxer));
        }
    }
}
