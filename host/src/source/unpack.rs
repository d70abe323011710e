//! From bytes as they are kept to a component: base64 text and compression are recognised by how they begin.
//!
//! A Kubernetes ConfigMap ends at 1 MiB and its `data` is text, so components there are compressed, or text, or both.

use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;
use sandglass_manifest::ByteSize;

use crate::sandbox::compile::MAX_COMPONENT;

const GZIP: &[u8] = b"\x1f\x8b\x08";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// How base64 of WebAssembly (`\0asm`), gzip and zstd begins.
const BASE64: [&[u8]; 3] = [b"AGFzb", b"H4sI", b"KLUv/"];

/// Why bytes could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It begins like base64 text.
    #[error("it begins like base64 text and is none ({0}): encode it again, as by `base64 FILE`")]
    Base64(base64::DecodeError),
    /// It begins like a compressed file.
    #[error("it begins like {format} and is damaged ({error}): compress it again")]
    Damaged {
        /// Which one.
        format: &'static str,
        /// The decoder's word.
        error: io::Error,
    },
    /// More bytes than a component may have.
    #[error(
        "it unpacks to more than {}: a component may not be larger",
        ByteSize::bytes(MAX_COMPONENT)
    )]
    TooLarge,
}

/// Takes text and compression off. Never more bytes come out than a component may have, however small the input.
pub fn unpack(bytes: Bytes) -> Result<Bytes, UnpackError> {
    let text = beginning(&bytes);
    let bytes = if BASE64.iter().any(|start| text.starts_with(start)) {
        let text: Vec<u8> = text
            .iter()
            .copied()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        Bytes::from(STANDARD.decode(text).map_err(UnpackError::Base64)?)
    } else {
        bytes
    };
    if bytes.starts_with(GZIP) {
        return members(&bytes);
    }
    if bytes.starts_with(ZSTD) {
        return frames(&bytes);
    }
    Ok(bytes)
}

/// Where a text begins, after what editors and templates put before it: a byte order mark, empty lines.
fn beginning(bytes: &[u8]) -> &[u8] {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    text.trim_ascii_start()
}

/// All frames of a zstd file, one after the other (RFC 8878, section 3).
fn frames(mut packed: &[u8]) -> Result<Bytes, UnpackError> {
    let mut bytes = Vec::new();
    while !packed.is_empty() {
        let damaged = |error| UnpackError::Damaged {
            format: "zstd",
            error,
        };
        let frame =
            StreamingDecoder::new(&mut packed).map_err(|error| damaged(io::Error::other(error)))?;
        let room = MAX_COMPONENT
            .saturating_add(1)
            .saturating_sub(bytes.len() as u64);
        frame.take(room).read_to_end(&mut bytes).map_err(damaged)?;
        if bytes.len() as u64 > MAX_COMPONENT {
            return Err(UnpackError::TooLarge);
        }
    }
    Ok(bytes.into())
}

/// All members of a gzip file, one after the other (RFC 1952, section 2.2).
fn members(packed: &[u8]) -> Result<Bytes, UnpackError> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(packed)
        .take(MAX_COMPONENT.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| UnpackError::Damaged {
            format: "gzip",
            error,
        })?;
    if bytes.len() as u64 > MAX_COMPONENT {
        return Err(UnpackError::TooLarge);
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0 and so on";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    #[test]
    fn text_and_compression_are_taken_off() {
        let lines = |bytes: &[u8]| {
            let text = STANDARD.encode(bytes);
            let lines: Vec<&str> = text
                .as_bytes()
                .chunks(8)
                .map(|line| std::str::from_utf8(line).unwrap())
                .collect();
            (lines.join("\n") + "\n").into_bytes()
        };
        for packed in [
            COMPONENT.to_vec(),
            gzip(COMPONENT),
            zstd(COMPONENT),
            lines(COMPONENT),
            lines(&gzip(COMPONENT)),
            [b"\n\n ".to_vec(), lines(COMPONENT)].concat(),
            [b"\xef\xbb\xbf\r\n".to_vec(), lines(&gzip(COMPONENT))].concat(),
            lines(&zstd(COMPONENT)),
            [gzip(&COMPONENT[..5]), gzip(&COMPONENT[5..])].concat(),
            [zstd(&COMPONENT[..5]), zstd(&COMPONENT[5..])].concat(),
        ] {
            assert_eq!(unpack(packed.into()).unwrap(), COMPONENT);
        }
    }

    #[test]
    fn anything_else_is_left_as_it_is() {
        for bytes in [&b""[..], b"hello", b"\x1f\x8b", b"AGF"] {
            assert_eq!(unpack(bytes.into()).unwrap(), bytes);
        }
    }

    #[test]
    fn what_is_damaged_says_so() {
        let cut = |mut bytes: Vec<u8>| {
            bytes.truncate(bytes.len() - 5);
            unpack(bytes.into()).unwrap_err().to_string()
        };
        assert!(cut(gzip(COMPONENT)).starts_with("it begins like gzip and is damaged"));
        assert!(cut(zstd(COMPONENT)).starts_with("it begins like zstd and is damaged"));
        let trailed = [zstd(COMPONENT), b"garbage".to_vec()].concat();
        assert!(unpack(trailed.into()).is_err());
        let error = unpack(Bytes::from_static(b"AGFzb!")).unwrap_err();
        assert!(error.to_string().starts_with("it begins like base64"));
    }

    #[test]
    fn a_small_file_does_not_become_a_large_one() {
        let zeros = vec![0; usize::try_from(MAX_COMPONENT).unwrap() + 1];
        for bomb in [gzip(&zeros), zstd(&zeros)] {
            assert!(matches!(unpack(bomb.into()), Err(UnpackError::TooLarge)));
        }
    }
}
