//! `sandglass verify`: whether an artifact is signed.

use std::path::PathBuf;

use clap::Args;
use sandglass_manifest::{
    CertificateIdentity, Cosign, Keyless, Manifest, OciReference, Placed, Surroundings,
};
use serde_json::json;

use super::{Exit, Failure, print};
use crate::config;
use crate::source::verify::Signers;
use crate::source::{Fetcher, oci};

/// Check that an artifact in an OCI registry is signed by a key, or by a certificate for an identity ("keyless"), as `verify` of a
/// manifest does. Nothing but the registry is asked. Exits with 3 if it is not signed.
///
/// Credentials are docker's: log in with `docker login`, or name a config.json in SANDGLASS_REGISTRY_AUTH_FILE. Plain
/// HTTP is spoken to loopback, and to what SANDGLASS_INSECURE_REGISTRIES names.
#[derive(Args)]
#[command(after_help = "Examples:
  sandglass verify ghcr.io/acme/time:1.2 --key acme.pub
  sandglass verify ghcr.io/acme/time:1.2 --key acme.pub --key acme-old.pub --json | jq -r .reference
  sandglass verify ghcr.io/acme/time:1.2 --identity ada@example.com --issuer https://accounts.google.com --trust-root trusted_root.json")]
pub struct Verify {
    /// REGISTRY/REPOSITORY:TAG or @sha256:DIGEST, with or without oci:// before it
    reference: OciReference,
    /// The public key (PEM); of several, one must have signed
    #[arg(
        long = "key",
        value_name = "FILE",
        required_unless_present = "identity"
    )]
    keys: Vec<PathBuf>,
    /// Whom the certificate must be for, if no key has signed: with `*` at the end, after `/` or `@`, all that begin so
    #[arg(long, value_name = "EMAIL|URI", requires_all = ["issuer", "trust_root"])]
    identity: Option<CertificateIdentity>,
    /// Where they must have logged in
    #[arg(long, value_name = "URL", requires = "identity")]
    issuer: Option<String>,
    /// The certificate authorities and logs that are trusted: a trusted_root.json of Sigstore's format
    #[arg(long, value_name = "FILE", requires = "identity")]
    trust_root: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub async fn run(self) -> Result<Exit, Failure> {
        let keyless = match (self.identity, self.issuer, self.trust_root) {
            (Some(identity), Some(issuer), Some(trust_root)) => Some(Keyless {
                identity,
                issuer,
                trust_root,
            }),
            _ => None,
        };
        let cosign = Cosign {
            key: self.keys,
            keyless: keyless.map(Placed::from),
        };
        let signers = Signers::read(&[cosign])
            .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        let fetcher = Fetcher::new(config::fetching(&Manifest::absent(
            &Surroundings::of_process(),
        )));
        let (digest, signed_by) = oci::verify(&fetcher, &self.reference, &signers)
            .await
            .map_err(|error| {
                Failure::new(Exit::NothingLoaded, format!("{}: {error}", self.reference))
            })?;
        let reference = self.reference.pinned(digest.clone()).to_string();
        if self.json {
            print::json(&json!({
                "reference": reference,
                "digest": digest,
                "signed_by": signed_by,
            }));
            return Ok(Exit::Done);
        }
        print::table(
            &[],
            [
                vec!["reference".to_owned(), reference],
                vec!["signed by".to_owned(), print::signers(&signed_by)],
            ],
        );
        Ok(Exit::Done)
    }
}
