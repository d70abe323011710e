//! TLS: the server's certificate, read again when its files change.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sandglass_manifest::unreadable;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use crate::supervise::Supervisor;
use crate::watch::Watch;

/// The certificate that counts now.
pub struct Tls {
    config: Arc<ArcSwap<ServerConfig>>,
    _reload: AbortOnDropHandle<()>,
}

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing, or holds something else.
    #[error("{}; it must hold {expected} in PEM", pem_problem(file, error))]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        error: pem::Error,
        /// What it should hold.
        expected: &'static str,
    },
    /// The two do not belong together, or are of a kind that is not served.
    #[error("{} and {}: {error}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        error: rustls::Error,
    },
}

fn pem_problem(file: &Path, error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => format!("{} {}", file.display(), unreadable(error)),
        error => format!("{}: {error}", file.display()),
    }
}

impl Tls {
    /// Reads a certificate (with its chain) and its key, both PEM; from then on, whenever one of the files changes. A
    /// new pair that cannot be served leaves the old one in place and is logged.
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let config = Arc::new(ArcSwap::from_pointee(read(&certificate, &key)?));
        let watch = Watch::new([certificate.as_path(), key.as_path()]);
        let files = Arc::new((watch, certificate, key));
        let reload = Supervisor::get().keep("certificate", {
            let current = Arc::clone(&config);
            move || reload(Arc::clone(&files), Arc::clone(&current))
        });
        Ok(Self {
            config,
            _reload: reload,
        })
    }

    /// What makes the next connection an encrypted one.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }
}

async fn reload(
    files: Arc<(Watch, PathBuf, PathBuf)>,
    current: Arc<ArcSwap<ServerConfig>>,
) -> Infallible {
    let (watch, certificate, key) = &*files;
    loop {
        watch.changed().await;
        read_again(&current, certificate, key);
    }
}

fn read_again(current: &ArcSwap<ServerConfig>, certificate: &Path, key: &Path) {
    match read(certificate, key) {
        Ok(config) => {
            current.store(Arc::new(config));
            tracing::info!(certificate = %certificate.display(), "the certificate was read again");
        }
        Err(error) => {
            tracing::error!(%error, "the new certificate is not served, the old one still is");
        }
    }
}

fn read(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let in_file = |file: &Path, expected| {
        let file = file.to_owned();
        move |error| TlsError::File {
            file,
            error,
            expected,
        }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(in_file(certificate, "a certificate and its chain"))?;
    let private_key = PrivateKeyDer::from_pem_file(key).map_err(in_file(key, "a private key"))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, private_key)
        .map_err(|error| TlsError::Pair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            error,
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::time::Duration;

    use axum::Router;
    use axum::routing::get;
    use hyper_util::service::TowerToHyperService;
    use rcgen::{CertifiedKey, KeyPair};
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_rustls::TlsConnector;
    use tokio_util::sync::CancellationToken;

    use crate::serve::connection;
    use crate::serve::places::Places;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        /// Writes a new certificate and its key.
        fn write_pair(&self) -> CertificateDer<'static> {
            let CertifiedKey { cert, signing_key } = new_pair();
            std::fs::write(self.path("tls.key"), signing_key.serialize_pem()).unwrap();
            std::fs::write(self.path("tls.crt"), cert.pem()).unwrap();
            cert.der().clone()
        }

        fn load(&self) -> Result<Tls, TlsError> {
            _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            Tls::load(self.path("tls.crt"), self.path("tls.key"))
        }
    }

    fn new_pair() -> CertifiedKey<KeyPair> {
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap()
    }

    fn folder() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    async fn serve(tls: Tls) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(async || "hello"));
        tokio::spawn(connection::serve(
            listener,
            Some(Arc::new(tls)),
            TowerToHyperService::new(router),
            Places::new(16),
            CancellationToken::new(),
        ));
        address
    }

    /// What the server answers to a client that trusts this certificate alone, and offers HTTP/2 too.
    async fn ask(
        address: std::net::SocketAddr,
        trusted: &CertificateDer<'static>,
    ) -> std::io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await?;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn a_new_certificate_is_served_without_a_restart() {
        let folder = folder();
        let first = folder.write_pair();
        let address = serve(folder.load().unwrap()).await;
        assert!(ask(address, &first).await.unwrap().ends_with("hello"));
        let second = folder.write_pair();
        let renewed = async {
            while ask(address, &second).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), renewed)
            .await
            .unwrap();
        assert!(ask(address, &first).await.is_err());
    }

    #[tokio::test]
    async fn a_pair_that_does_not_belong_together_leaves_the_old_one() {
        let folder = folder();
        folder.write_pair();
        let tls = folder.load().unwrap();
        let before = tls.config.load_full();
        std::fs::write(
            folder.path("tls.key"),
            new_pair().signing_key.serialize_pem(),
        )
        .unwrap();
        read_again(
            &tls.config,
            &folder.path("tls.crt"),
            &folder.path("tls.key"),
        );
        assert!(Arc::ptr_eq(&before, &tls.config.load_full()));
        assert!(matches!(folder.load().err(), Some(TlsError::Pair { .. })));
        std::fs::write(folder.path("tls.crt"), "no certificate").unwrap();
        let error = folder.load().err().unwrap().to_string();
        assert!(error.contains("tls.crt"), "{error}");
    }

    #[tokio::test]
    async fn a_client_that_stalls_its_handshake_holds_up_nobody() {
        let folder = folder();
        let certificate = folder.write_pair();
        let address = serve(folder.load().unwrap()).await;
        let _stalled = TcpStream::connect(address).await.unwrap();
        assert!(ask(address, &certificate).await.unwrap().ends_with("hello"));
    }
}
