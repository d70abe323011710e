//! Where components come from. One file each: [`file`] (a file or a folder).

mod digest;
pub mod file;

pub use digest::{Digest, InvalidDigest};
pub use file::{Found, SourceError, find};
