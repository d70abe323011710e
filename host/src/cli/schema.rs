//! `sandglass schema`: the manifest's JSON Schema.

use super::{Exit, Failure, print};

pub fn run() -> Result<Exit, Failure> {
    print::json(&sandglass_manifest::json_schema());
    Ok(Exit::Done)
}
