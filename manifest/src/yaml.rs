//! From text to a typed document, and the parser's errors in our words.
//!
//! JSON goes the same way: YAML 1.2 contains it, so that both have one set of errors and places.

use std::{fs::File, io::Read, path::Path};

use serde::de::DeserializeOwned;
use serde_saphyr::{
    DuplicateKeyPolicy, Error, Location, MergeKeyPolicy, MessageFormatter, Options,
    UserMessageFormatter,
};

use crate::{ByteSize, ManifestError, Origin, keys, scalar::quoted, unreadable};

/// The longest document, in bytes: a Kubernetes ConfigMap holds no more.
const LONGEST: ByteSize = ByteSize::mib(1);

/// Aliases may repeat this many nodes in all: enough for blocks of limits shared by a thousand tools,
/// and little for a bomb of aliases of aliases.
const MOST_REPEATED: usize = 20_000;

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 16,
            max_recorded_anchor_events: MOST_REPEATED,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MOST_REPEATED,
            max_replay_stack_depth: 4,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        // `<<` is YAML 1.1; it hides which value of a key holds.
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// The text of a file.
pub(crate) fn text_of(path: &Path, origin: &Origin) -> Result<String, ManifestError> {
    let mut text = String::new();
    // One byte more than a document may have: a device that never ends is refused, not read.
    File::open(path)
        .and_then(|file| file.take(LONGEST.get() + 1).read_to_string(&mut text))
        .map_err(|error| ManifestError::whole(origin, unreadable(&error)))?;
    Ok(text)
}

/// Reads another document than the manifest, within the same bounds and with the same errors.
///
/// # Errors
/// It cannot be read, or is not what is wanted: file, line and column, and what to do.
pub fn read_document<T: DeserializeOwned>(path: &Path) -> Result<T, ManifestError> {
    let origin = Origin::File(path.to_owned());
    read(&text_of(path, &origin)?, &origin)
}

/// Reads a document.
pub(crate) fn read<T: DeserializeOwned>(text: &str, origin: &Origin) -> Result<T, ManifestError> {
    if text.len() as u64 > LONGEST.get() {
        let message = format!("the document is larger than {LONGEST}; split it or shorten it");
        return Err(ManifestError::whole(origin, message));
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let place = error.location().unwrap_or(Location::UNKNOWN);
        ManifestError::at(place, origin, describe(&error))
    })
}

fn describe(error: &Error) -> String {
    match error {
        Error::WithSnippet { error, .. } | Error::AliasError { error, .. } => describe(error),
        Error::SerdeUnknownField {
            field, expected, ..
        } => keys::refuse(field, expected),
        Error::SerdeMissingField { field, .. } => format!("the key `{field}` is missing"),
        Error::SerdeInvalidType {
            unexpected,
            expected,
            ..
        }
        | Error::SerdeInvalidValue {
            unexpected,
            expected,
            ..
        } => format!("expected {expected}, found {unexpected}"),
        Error::Unexpected { expected, .. } => match *expected {
            "mapping start" => "expected an object: keys and values".to_owned(),
            "sequence start" => "expected a list".to_owned(),
            "string scalar" => "expected a text".to_owned(),
            other => format!("expected {other}"),
        },
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key {} is there twice; remove one", quoted(key))
        }
        Error::MergeKeyNotAllowed { .. } => {
            "merge keys (`<<`) are not supported; write the keys out".to_owned()
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            "the document is too deep, or its aliases repeat too much; write it flatter".to_owned()
        }
        Error::InvalidBooleanStrict { .. } => "write `true` or `false`, without quotes".to_owned(),
        Error::Eof { .. } => "the document is empty or ends too early".to_owned(),
        other => UserMessageFormatter.format_message(other).into_owned(),
    }
}
