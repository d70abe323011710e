//! A component whose parts lie in several places.

use bytes::Bytes;
use sandglass_manifest::{ByteSize, Part, Parts};

use super::kubernetes::{self, Values};
use super::{Fetcher, SourceError, file};
use crate::sandbox::compile::MAX_COMPONENT;

/// Why parts make no component.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    /// Which part cannot be had, and why.
    #[error("{part}: {error}")]
    File {
        /// The part.
        part: Part,
        /// Why it cannot be had.
        error: file::FileError,
    },
    /// More bytes than a component may have.
    #[error(
        "the parts are larger than {} together: a component may not be",
        ByteSize::bytes(MAX_COMPONENT)
    )]
    TooLarge,
}

/// Joins the parts in order; what the operator should know comes along.
pub async fn fetch(
    fetcher: &Fetcher,
    parts: &Parts,
) -> Result<(Bytes, Option<String>), SourceError> {
    let keys: Vec<_> = parts
        .as_slice()
        .iter()
        .filter_map(|part| match part {
            Part::Kubernetes(key) => Some(key),
            Part::File(_) => None,
        })
        .collect();
    let Values { bytes, notice } = kubernetes::fetch(fetcher, &keys).await?;
    let mut values = bytes.into_iter();
    let mut joined = Vec::new();
    for part in parts.as_slice() {
        let bytes = match part {
            Part::Kubernetes(_) => values.next().expect("each key has a value"),
            Part::File(path) => file::read(path).await.map_err(|error| PartsError::File {
                part: part.clone(),
                error,
            })?,
        };
        if joined.len().saturating_add(bytes.len()) as u64 > MAX_COMPONENT {
            return Err(PartsError::TooLarge.into());
        }
        joined.extend_from_slice(&bytes);
    }
    Ok((joined.into(), notice))
}
