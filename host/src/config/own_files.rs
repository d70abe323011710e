//! What the host itself needs of the file system: no grant of a folder may lead to it.

use std::env;
use std::path::{Path, PathBuf};

use sandglass_manifest::{
    Access, AuditTarget, Manifest, SecretRef, StoreKind, TextOrSecret, TokenEntry, TokenValue,
};

use super::{Installation, REGISTRY_AUTH_FILE, Setup, sources_of};
use crate::catalog::Source;
use crate::invoke::TenantId;
use crate::sandbox::{Grant, OwnFile, Secrecy};
use crate::source::oci;

/// The pod's own credentials for the Kubernetes API.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Certificates that are trusted instead of the system's.
const AUTHORITIES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// The folders that a manifest grants.
pub(super) fn grants(manifest: &Manifest) -> Vec<Grant> {
    let grants = sources_of(manifest).flat_map(|source| {
        let tenant = match source.tenant == TenantId::default() {
            true => String::new(),
            false => format!(" (tenant {})", source.tenant),
        };
        let name = match &source.name {
            Some(name) => name.clone(),
            None => source.reference.to_string(),
        };
        let folders = source.allow.files.into_iter().enumerate();
        folders.map(move |(index, folder)| Grant {
            name: format!("allow.files[{index}].host of {name}{tenant}"),
            host: folder.host,
            writes: folder.access == Access::ReadWrite,
        })
    });
    grants.collect()
}

/// The host's own files, as far as flags, environment and manifest tell.
pub(super) fn of(setup: &Setup, manifest: &Manifest) -> Vec<OwnFile> {
    let mut own = Own::default();
    own.secrets("the manifest", setup.config.as_deref());
    own.secrets("a policy of the manifest", manifest.policies());
    own.0.extend(setup.own.iter().cloned());
    own.of_manifest(manifest);
    for source in sources_of(manifest) {
        own.of_source(&source);
    }
    own.of_environment();
    own.of_installation(setup);
    own.0
}

#[derive(Default)]
struct Own(Vec<OwnFile>);

impl Own {
    fn add<P: Into<PathBuf>>(
        &mut self,
        name: &str,
        secrecy: Secrecy,
        paths: impl IntoIterator<Item = P>,
    ) {
        self.0.extend(paths.into_iter().map(|path| OwnFile {
            path: path.into(),
            name: name.to_owned(),
            secrecy,
            whole: false,
        }));
    }

    fn secrets<P: Into<PathBuf>>(&mut self, name: &str, paths: impl IntoIterator<Item = P>) {
        self.add(name, Secrecy::Secret, paths);
    }

    fn public<P: Into<PathBuf>>(&mut self, name: &str, paths: impl IntoIterator<Item = P>) {
        self.add(name, Secrecy::Public, paths);
    }

    /// With all that lies in it.
    fn whole(&mut self, name: &str, secrecy: Secrecy, path: impl Into<PathBuf>) {
        self.0.push(OwnFile {
            path: path.into(),
            name: name.to_owned(),
            secrecy,
            whole: true,
        });
    }

    fn secret(&mut self, secret: &SecretRef) {
        self.secrets("a file with a secret", secret.file());
    }

    fn of_manifest(&mut self, manifest: &Manifest) {
        if let Some(cache) = &manifest.engine.cache_dir {
            self.whole("the cache folder", Secrecy::Secret, cache);
        }
        for (name, store) in &manifest.stores {
            match &store.kind {
                StoreKind::Embedded { path } => {
                    self.secrets(&format!("the store {name}"), [path.to_path_buf()]);
                }
                StoreKind::Redis { url } => match &**url {
                    TextOrSecret::Secret { secret } => self.secret(secret),
                    TextOrSecret::Text(_) => {}
                },
            }
        }
        if let Some(audit) = &manifest.audit {
            if let AuditTarget::File { path, .. } = &audit.to {
                self.secrets("the audit's file", [path.to_path_buf()]);
            }
            audit.key.iter().for_each(|key| self.secret(key));
        }
        let Some(identity) = &manifest.identity else {
            return;
        };
        for entry in &identity.tokens {
            match entry {
                TokenEntry::File { file } => self.secrets("a file of tokens", [file.to_path_buf()]),
                TokenEntry::Token(token) => {
                    if let TokenValue::Secret(secret) = &token.value {
                        self.secret(secret);
                    }
                }
            }
        }
        let authorities = identity
            .jwt
            .iter()
            .filter_map(|issuer| issuer.ca.as_deref());
        self.public("a file of certificates", authorities);
    }

    fn of_source(&mut self, source: &Source) {
        let Source {
            reference,
            allow,
            signatures,
            ..
        } = source;
        self.secrets("a file with a secret", allow.secret_files());
        self.public("a file of certificates", allow.authority_files());
        self.public("components", reference.files());
        for cosign in signatures {
            self.public("a key of signatures", &cosign.key);
            let roots = cosign.keyless.iter().map(|keyless| &keyless.trust_root);
            self.public("a root of trust", roots);
        }
    }

    fn of_environment(&mut self) {
        let registry = env::var_os(REGISTRY_AUTH_FILE).filter(|file| !file.is_empty());
        let registry = oci::credentials_file(registry.as_deref().map(Path::new));
        self.secrets("the credentials of registries", registry);
        let cluster = match env::var_os("KUBECONFIG") {
            Some(files) => env::split_paths(&files).collect(),
            None => Vec::from_iter(env::home_dir().map(|home| home.join(".kube/config"))),
        };
        self.secrets("a kubeconfig", cluster);
        self.whole(
            "the pod's service account",
            Secrecy::Secret,
            SERVICE_ACCOUNT,
        );
        for variable in AUTHORITIES {
            self.public("trusted certificates", env::var_os(variable));
        }
    }

    fn of_installation(&mut self, setup: &Setup) {
        let public = Secrecy::Public;
        self.public("the first-party tools", [&setup.first_party]);
        if let Ok(installation) = Installation::find() {
            self.public("the program", [installation.program]);
            self.whole("the program's files", public, installation.share);
        }
    }
}
