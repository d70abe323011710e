//! Static bearer tokens. Only their hashes are kept.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use sandglass_manifest::{Manifest, ManifestError, Placed, Scope, Token, TokenEntry, TokenValue};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio_util::task::AbortOnDropHandle;

use super::bearer;
use crate::invoke::{Known, TenantId};
use crate::secret;
use crate::supervise::Supervisor;
use crate::watch::Watch;

/// The tokens that count now.
pub struct Tokens {
    current: Arc<ArcSwap<Vec<Accepted>>>,
    _reload: AbortOnDropHandle<()>,
}

/// A token's hash and what it stands for.
struct Accepted {
    sha256: [u8; 32],
    known: Arc<Known>,
    /// As they are written.
    scopes: Vec<Placed<Scope>>,
}

impl Tokens {
    /// Reads all tokens, and those in files again when they change. A change that cannot be read leaves the old tokens
    /// in place and is logged.
    ///
    /// # Errors
    /// A list or a secret that cannot be read, or holds something else. No text holds a token.
    pub fn load(manifest: Arc<Manifest>) -> Result<Self, ManifestError> {
        let accepted = read(&manifest)?;
        let current = Arc::new(ArcSwap::from_pointee(accepted));
        let watch = Arc::new(Watch::new(entries(&manifest).filter_map(file)));
        let reload = Supervisor::get().keep("tokens", {
            let current = Arc::clone(&current);
            move || {
                reload(
                    Arc::clone(&watch),
                    Arc::clone(&current),
                    Arc::clone(&manifest),
                )
            }
        });
        Ok(Self {
            current,
            _reload: reload,
        })
    }

    /// A word on each scope that names a tool which its tenant does not have. `has` tells which it has.
    pub fn unmatched(&self, has: impl Fn(&TenantId, &str) -> bool) -> Vec<ManifestError> {
        let tokens = self.current.load();
        let scopes = tokens.iter().flat_map(|token| {
            token
                .scopes
                .iter()
                .map(|scope| (&token.known.tenant, scope))
        });
        scopes
            .filter_map(|(tenant, scope)| match &**scope {
                Scope::Tool(name) if !has(tenant, name) => Some(scope.error(format!(
                    "identity.tokens: the scope `{}` allows nothing: the tenant `{tenant}` has no such tool now; correct the name, or see why the tool is left out",
                    **scope
                ))),
                _ => None,
            })
            .collect()
    }

    /// Whose token has this hash. All are looked at, each in constant time.
    pub fn find(&self, sha256: &[u8; 32]) -> Option<Arc<Known>> {
        let tokens = self.current.load();
        tokens
            .iter()
            .fold(None, |found, token| {
                let same: bool = token.sha256.ct_eq(sha256).into();
                if same { Some(&token.known) } else { found }
            })
            .cloned()
    }
}

async fn reload(
    watch: Arc<Watch>,
    current: Arc<ArcSwap<Vec<Accepted>>>,
    manifest: Arc<Manifest>,
) -> Infallible {
    loop {
        watch.changed().await;
        read_again(&current, &manifest);
    }
}

fn read_again(current: &ArcSwap<Vec<Accepted>>, manifest: &Manifest) {
    match read(manifest) {
        Ok(accepted) => {
            tracing::info!(tokens = accepted.len(), "the tokens were read again");
            current.store(Arc::new(accepted));
        }
        Err(error) => {
            tracing::error!(%error, "the new tokens do not count, the old ones still do");
        }
    }
}

/// The file that an entry is read from.
fn file(entry: &TokenEntry) -> Option<&Path> {
    match entry {
        TokenEntry::File { file } => Some(file),
        TokenEntry::Token(token) => match &token.value {
            TokenValue::Secret(secret) => secret.file(),
            TokenValue::Sha256(_) => None,
        },
    }
}

fn entries(manifest: &Manifest) -> impl Iterator<Item = &TokenEntry> {
    manifest
        .identity
        .iter()
        .flat_map(|identity| &identity.tokens)
}

fn read(manifest: &Manifest) -> Result<Vec<Accepted>, ManifestError> {
    let mut accepted = Vec::new();
    for entry in entries(manifest) {
        match entry {
            TokenEntry::Token(token) => accepted.push(accept(token)?),
            TokenEntry::File { file } => {
                for token in &manifest.read_tokens(file)? {
                    accepted.push(accept(token)?);
                }
            }
        }
    }
    Ok(accepted)
}

fn accept(token: &Token) -> Result<Accepted, ManifestError> {
    let sha256 = match &token.value {
        TokenValue::Sha256(hash) => *hash,
        TokenValue::Secret(secret) => {
            let value = secret::read(secret).and_then(|value| {
                if bearer::is_token(&value) {
                    Ok(value)
                } else {
                    Err("a bearer token has letters, digits and -._~+/= alone (RFC 6750, section 2.1); is there a blank or a line break in it?".to_owned())
                }
            });
            let refuse = |problem| match &token.name {
                Some(name) => format!("identity.tokens: the secret of `{name}`: {problem}"),
                None => format!("identity.tokens: the token's secret: {problem}"),
            };
            let value = value.map_err(|problem| secret.error(refuse(problem)))?;
            Sha256::digest(value).into()
        }
    };
    let name = token.name.clone().unwrap_or_else(|| {
        let start = hex::encode(&sha256[..4]);
        format!("sha256:{start}")
    });
    let known = Arc::new(Known {
        name,
        issuer: None,
        tenant: TenantId::from(&token.tenant),
        scopes: token.scopes.iter().map(|scope| (**scope).clone()).collect(),
        expires: None,
    });
    Ok(Accepted {
        sha256,
        known,
        scopes: token.scopes.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::time::Duration;

    use sandglass_manifest::Origin;

    fn hash(token: &str) -> [u8; 32] {
        Sha256::digest(token).into()
    }

    fn hex(token: &str) -> String {
        hex::encode(hash(token))
    }

    fn manifest(tokens: &str) -> Arc<Manifest> {
        let text = format!(
            "version: 1\ntools: []\ntenants: {{ acme: {{ tools: [] }} }}\nidentity: {{ tokens: [{tokens}] }}"
        );
        Arc::new(Manifest::parse(&text, &Origin::Environment("TEST")).unwrap())
    }

    async fn until(what: impl Fn() -> bool) {
        let wait = async {
            while !what() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait)
            .await
            .expect("the change counts");
    }

    #[tokio::test]
    async fn a_token_is_found_by_its_hash() {
        let (one, two) = (hex("one"), hex("two"));
        let tokens = Tokens::load(manifest(&format!(
            "{{ sha256: {one}, scopes: [\"tools:*\"] }}, {{ sha256: {two}, name: ann, tenant: acme, scopes: [management] }}"
        )))
        .unwrap();
        assert_eq!(
            tokens.find(&hash("one")).unwrap().name,
            format!("sha256:{}", &one[..8])
        );
        let ann = tokens.find(&hash("two")).unwrap();
        assert_eq!(
            (ann.name.as_str(), ann.tenant.to_string().as_str()),
            ("ann", "acme")
        );
        assert!(tokens.find(&hash("three")).is_none());
    }

    #[tokio::test]
    async fn tokens_in_files_are_read_again_and_a_broken_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (secret, list) = (
            folder.path().join("secret"),
            folder.path().join("list.yaml"),
        );
        let entry =
            |token: &str| format!("- {{ sha256: {}, scopes: [\"tools:*\"] }}\n", hex(token));
        std::fs::write(&secret, "old\n").unwrap();
        std::fs::write(&list, entry("listed")).unwrap();
        let manifest = manifest(&format!(
            "{{ secret: {{ file: {} }}, scopes: [\"tools:*\"] }}, {{ file: {} }}",
            secret.display(),
            list.display(),
        ));
        let tokens = Tokens::load(Arc::clone(&manifest)).unwrap();
        let accepts = |token: &str| tokens.find(&hash(token)).is_some();
        assert!(accepts("old") && accepts("listed"));
        std::fs::write(&secret, "new").unwrap();
        until(|| accepts("new")).await;
        assert!(!accepts("old"));
        // A broken file comes with a good change, which waits for its mend.
        std::fs::write(&list, entry("other")).unwrap();
        std::fs::write(&secret, "").unwrap();
        read_again(&tokens.current, &manifest);
        assert!(accepts("new") && accepts("listed") && !accepts(""));
        std::fs::write(&secret, "newest").unwrap();
        until(|| accepts("newest")).await;
        assert!(accepts("other") && !accepts("listed"));
    }

    #[tokio::test]
    async fn a_scope_for_a_tool_that_is_not_there_is_told_with_its_place() {
        let tokens = Tokens::load(manifest(&format!(
            "{{ sha256: {}, scopes: [\"tools:*\", management, \"tools:add\"] }},\n  {{ sha256: {}, tenant: acme, scopes: [\"tools:add\"] }}",
            hex("one"),
            hex("two")
        )))
        .unwrap();
        let told = tokens.unmatched(|tenant, tool| tenant.as_str() == "default" && tool == "add");
        let [told] = &*told else {
            panic!("{told:?}");
        };
        assert_eq!(told.line(), Some(5));
        let told = told.to_string();
        assert!(
            told.contains(
                "the scope `tools:add` allows nothing: the tenant `acme` has no such tool"
            ),
            "{told}"
        );
    }

    #[tokio::test]
    async fn an_empty_secret_is_no_token() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let entry = format!(
            "{{ secret: {{ file: {} }}, scopes: [\"tools:*\"] }}",
            file.path().display()
        );
        let error = Tokens::load(manifest(&entry)).err().unwrap();
        assert!(error.to_string().contains("is empty"), "{error}");
    }

    #[tokio::test]
    async fn a_secret_that_no_header_can_carry_names_its_token_and_is_not_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let entry = format!(
            "{{ secret: {{ file: {} }}, name: ann, scopes: [\"tools:*\"] }}",
            file.path().display()
        );
        for token in ["gehe im", " geheim", "geheim\n\n", "gehe\tim", "gehéim"] {
            std::fs::write(file.path(), token).unwrap();
            let error = Tokens::load(manifest(&entry)).err().unwrap();
            assert_eq!(error.line(), Some(4), "{error}");
            let error = error.to_string();
            assert!(
                error.contains("the secret of `ann`: a bearer token has letters"),
                "{error}"
            );
            assert!(!error.contains("heim"), "{error}");
        }
    }
}
