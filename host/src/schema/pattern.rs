//! What a pattern takes: to keep, and to match.
//!
//! Most patterns match in one walk over the text, with a table of a known size. Where the table would be too large, each
//! byte may cost as much as the pattern is long. A pattern that looks around or back is matched by trying, so many steps.

use std::collections::BTreeMap;

use regex_automata::dfa::dense;
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_syntax::ast::{self, ErrorKind};
use sandglass_text::Line;

use super::account::Account;
use super::cost::Effort;
use super::json_schema::SchemaError;

/// Bytes of a pattern.
const MAX_TEXT: usize = 4 << 10;

/// Bytes of a compiled pattern.
pub(super) const MAX_COMPILED: usize = 1 << 20;

/// Bytes of a table, of which a pattern has two. One whose table is larger is matched without.
const MAX_TABLE: usize = 100 << 10;

/// States of a table.
const MAX_STATES: usize = 1_000;

/// Bytes of the table as it is made while matching.
pub(super) const TABLE: usize = 256 << 10;

/// Steps back in one match of a pattern that looks around.
pub(super) const STEPS: usize = 1_000;

/// Bytes that one of the classes `\s` and `\S` is written out to, at most.
const CLASS: u64 = 160;

/// The patterns of a schema, by their text.
#[derive(Debug, Default)]
pub(super) struct Patterns(BTreeMap<Box<str>, Measured>);

/// What a pattern takes.
#[derive(Debug, Clone, Copy)]
struct Measured {
    /// What matching it against a text costs.
    effort: Effort,
    /// Whether it needs the engine that tries.
    looks_around: bool,
    /// Bytes of it compiled.
    bytes: u64,
}

impl Patterns {
    /// Adds a pattern, which the component pays for.
    pub fn add(&mut self, pattern: &str, account: &mut Account) -> Result<Effort, SchemaError> {
        if !self.0.contains_key(pattern) {
            let measured = measure(pattern, account)?;
            self.0.insert(pattern.into(), measured);
        }
        Ok(self.effort(pattern))
    }

    /// What matching one of them costs.
    pub fn effort(&self, pattern: &str) -> Effort {
        self.0.get(pattern).map_or(Effort::ZERO, |one| one.effort)
    }

    /// Whether one of them looks around.
    pub fn look_around(&self) -> bool {
        self.0.values().any(|pattern| pattern.looks_around)
    }

    /// Bytes of all of them compiled.
    pub fn bytes(&self) -> u64 {
        self.0.values().map(|pattern| pattern.bytes).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn measure(pattern: &str, account: &mut Account) -> Result<Measured, SchemaError> {
    let refused = |why: String| SchemaError::Pattern(Line::name(pattern), why);
    if pattern.len() > MAX_TEXT {
        let text = format!(
            "has {} bytes; at most {MAX_TEXT} are accepted",
            pattern.len()
        );
        return Err(refused(text));
    }
    let classes = pattern.matches(['\\']).count() as u64;
    account.read(classes, pattern.len() as u64 + classes * CLASS)?;
    let invalid = || refused("is no regular expression (ECMA-262)".to_owned());
    let translated = jsonschema_regex::to_rust_regex(pattern).map_err(|()| invalid())?;
    let parsed = ast::parse::Parser::new().parse(&translated);
    let looks_around = parsed.is_err_and(|error| {
        matches!(
            error.kind(),
            ErrorKind::UnsupportedLookAround | ErrorKind::UnsupportedBackreference
        )
    });
    let text = match looks_around {
        true => without_looking(&translated),
        false => translated.into_owned(),
    };
    let too_large = || {
        refused(format!(
            "takes more than {} KiB compiled: shorten its repetitions, or use `maxLength`",
            MAX_COMPILED >> 10
        ))
    };
    let compile = |reverse, captures| {
        NFA::compiler()
            .configure(
                thompson::Config::new()
                    .nfa_size_limit(Some(MAX_COMPILED))
                    .which_captures(captures)
                    .reverse(reverse),
            )
            .build(&text)
            .map_err(|error| match error.size_limit() {
                Some(_) => too_large(),
                None => invalid(),
            })
    };
    let forward = compile(false, WhichCaptures::All)?;
    let states = forward.states().len();
    // What the engine keeps for each thread that matches: the groups of each state.
    let groups = 2 * 8 * states * forward.group_info().slot_len();
    if groups > MAX_COMPILED {
        return Err(too_large());
    }
    let tables = [false, true].map(|reverse| {
        compile(reverse, WhichCaptures::None)
            .ok()
            .and_then(|nfa| table(&nfa))
    });
    let (table, is_small) = match tables {
        [Some(one), Some(other)] => (one + other, true),
        _ => (TABLE, false),
    };
    let bytes = 2 * forward.memory_usage() + groups + 2 * table;
    account.pattern(bytes as u64)?;
    let effort = match is_small {
        true if looks_around => Effort::new(1_000_000, 4_000),
        true => Effort::new(200_000, 1_000),
        false => Effort::new(200_000, 200_000 + 10_000 * states as u64),
    };
    Ok(Measured {
        effort: match looks_around {
            // It may begin anew at each step.
            true => effort.times(STEPS as u64),
            false => effort,
        },
        looks_around,
        bytes: bytes as u64,
    })
}

/// The bytes of the table that matches in one walk; none where it would be too large.
fn table(nfa: &NFA) -> Option<usize> {
    let config = dense::Config::new()
        .dfa_size_limit(Some(MAX_TABLE))
        .determinize_size_limit(Some(MAX_TABLE));
    let table = dense::Builder::new()
        .configure(config)
        .build_from_nfa(nfa)
        .ok()?;
    let bytes = table.memory_usage();
    // It is made while matching, which takes its time for each state.
    let states = bytes / (size_of::<u32>() * table.stride());
    (states <= MAX_STATES).then_some(bytes)
}

/// A pattern with what it looks around for in the place where it looks, and nothing where it looks back: of the size of
/// all the parts that it is compiled to.
fn without_looking(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(next) = rest.chars().next() {
        let look = ["(?=", "(?!", "(?<=", "(?<!"]
            .into_iter()
            .find(|look| !in_class && rest.starts_with(look));
        if let Some(look) = look {
            text.push_str("(?:");
            rest = &rest[look.len()..];
        } else if next == '\\' {
            let length = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
            let (escape, after) = rest.split_at(length);
            let back = match escape.as_bytes().get(1) {
                _ if in_class => None,
                Some(b'1'..=b'9') => Some(after.trim_start_matches(|c: char| c.is_ascii_digit())),
                _ => None,
            };
            match back {
                Some(after) => {
                    text.push_str("(?:)");
                    rest = after;
                }
                None => {
                    text.push_str(escape);
                    rest = after;
                }
            }
        } else {
            match next {
                '[' => in_class = true,
                ']' => in_class = false,
                _ => {}
            }
            text.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    text
}
