//! `sandglass sign`: a signature into a registry.

use std::path::PathBuf;

use clap::Args;
use sandglass_manifest::{Manifest, OciReference, Surroundings};
use serde_json::json;

use super::{Exit, Failure, print};
use crate::config;
use crate::source::verify::{PASSWORD, PrivateKey};
use crate::source::{Fetcher, oci};

/// Sign an artifact in an OCI registry by a private key, as `cosign sign --key` does. The signature is pushed beside it, where
/// `sandglass verify`, a manifest's `verify` and cosign look for it. What a tag stands for now is signed, not the tag.
///
/// The key is one of `cosign generate-key-pair`, whose password is in COSIGN_PASSWORD, or plain PKCS#8. Credentials are docker's: log in
/// with `docker login`, or name a config.json in SANDGLASS_REGISTRY_AUTH_FILE. Plain HTTP is spoken to loopback, and to what
/// SANDGLASS_INSECURE_REGISTRIES names.
#[derive(Args)]
#[command(after_help = "Examples:
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out acme.key
  openssl pkey -in acme.key -pubout -out acme.pub
  sandglass sign ghcr.io/acme/time:1.2 --key acme.key
  COSIGN_PASSWORD=.. sandglass sign ghcr.io/acme/time@sha256:4f.. --key cosign.key --bundle")]
pub struct Sign {
    /// REGISTRY/REPOSITORY:TAG or @sha256:DIGEST, with or without oci:// before it
    reference: OciReference,
    /// The private key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Write a Sigstore bundle, as cosign does from version 3 on, and not the format that every cosign reads
    #[arg(long)]
    bundle: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Sign {
    pub async fn run(self) -> Result<Exit, Failure> {
        let password = std::env::var(PASSWORD).ok();
        let key = PrivateKey::read(&self.key, password.as_deref())
            .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        let fetcher = Fetcher::new(config::fetching(&Manifest::absent(
            &Surroundings::of_process(),
        )));
        let format = if self.bundle {
            oci::Format::Bundle
        } else {
            oci::Format::Classic
        };
        let signed = oci::sign(&fetcher, &self.reference, &key, format)
            .await
            .map_err(|error| Failure::new(Exit::Failed, format!("{}: {error}", self.reference)))?;
        let reference = self.reference.pinned(signed.digest.clone()).to_string();
        if self.json {
            print::json(&json!({
                "reference": reference,
                "digest": signed.digest,
                "signed_by": key.public().name,
                "pushed": !signed.before,
            }));
            return Ok(Exit::Done);
        }
        print::line(&reference);
        if signed.before {
            eprintln!("sandglass: it was signed by this key before: nothing is pushed");
        }
        Ok(Exit::Done)
    }
}
