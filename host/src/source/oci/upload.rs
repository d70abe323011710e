//! Bytes into a repository, as the OCI distribution spec says ("Pushing Blobs", "Pushing Manifests").
//!
//! Not by `oci-client`: it sends the registry's credentials to wherever an answer says that the next bytes go.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderName, Method, StatusCode};
use reqwest::Url;
use sandglass_manifest::{Digest, OciReference};

use super::push::PushError;
use super::registry::Registry;
use crate::source::Progress;
use crate::source::http::{Authorization, Http, Sent};

/// Bytes of a blob that are sent at once.
const PIECE: usize = 1 << 20;

/// What blobs are sent as.
const BYTES: &str = "application/octet-stream";

/// A login to push with.
pub struct Upload<'a> {
    http: &'a Http,
    reference: &'a OciReference,
    /// What all URLs of the repository begin with.
    repository: String,
    authorization: Authorization,
}

impl<'a> Upload<'a> {
    /// Logs in to push.
    pub async fn begin(
        registry: &Registry<'a>,
        reference: &'a OciReference,
    ) -> Result<Self, PushError> {
        Ok(Self {
            http: registry.http(),
            reference,
            repository: registry.repository(),
            authorization: registry.log_in().await?,
        })
    }

    /// Pushes a blob; its digest.
    pub async fn blob(&self, bytes: Bytes) -> Result<Digest, PushError> {
        let digest = Digest::of(&bytes);
        let place = self.open().await?;
        self.close(place, &digest, bytes).await?;
        Ok(digest)
    }

    /// Pushes a blob piece by piece, where the registry takes pieces; else as a whole.
    pub async fn large_blob(&self, bytes: Bytes, progress: &Progress) -> Result<(), PushError> {
        let whole = bytes.len() as u64;
        let mut place = self.open().await?;
        for begin in (0..bytes.len()).step_by(PIECE) {
            progress(begin as u64, Some(whole));
            let end = bytes.len().min(begin.saturating_add(PIECE));
            let range = format!("{begin}-{}", end.saturating_sub(1));
            let headers = [(CONTENT_RANGE, range), (CONTENT_TYPE, BYTES.to_owned())];
            let piece = bytes.slice(begin..end);
            let (status, next) = self.send(Method::PATCH, &place, &headers, piece).await?;
            match next {
                Some(next) if status == StatusCode::ACCEPTED => place = next,
                _ if status.is_success() => {
                    self.blob(bytes).await?;
                    progress(whole, Some(whole));
                    return Ok(());
                }
                _ => return Err(self.refused(status)),
            }
        }
        self.close(place, &Digest::of(&bytes), Bytes::new()).await?;
        progress(whole, Some(whole));
        Ok(())
    }

    /// Pushes a manifest to a tag, or to the digest that it has.
    pub async fn manifest(
        &self,
        at: &str,
        manifest: Vec<u8>,
        media_type: &'static str,
    ) -> Result<(), PushError> {
        let url = self.url(&format!("manifests/{at}"))?;
        let headers = [(CONTENT_TYPE, media_type.to_owned())];
        let sent = self.send(Method::PUT, &url, &headers, manifest.into());
        let (status, _) = sent.await?;
        self.expect(status, StatusCode::CREATED)
    }

    /// Begins a blob; where its bytes go.
    async fn open(&self) -> Result<Url, PushError> {
        let url = self.url("blobs/uploads/")?;
        let (status, place) = self.send(Method::POST, &url, &[], Bytes::new()).await?;
        self.expect(status, StatusCode::ACCEPTED)?;
        place.ok_or_else(|| self.refused(status))
    }

    /// Ends a blob, with its last bytes.
    async fn close(&self, mut place: Url, digest: &Digest, last: Bytes) -> Result<(), PushError> {
        place
            .query_pairs_mut()
            .append_pair("digest", &digest.to_string());
        let headers = [(CONTENT_TYPE, BYTES.to_owned())];
        let (status, _) = self.send(Method::PUT, &place, &headers, last).await?;
        self.expect(status, StatusCode::CREATED)
    }

    /// Sends bytes to the registry, and to nobody else: its status, and where the next ones go.
    async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: &[(HeaderName, String)],
        body: Bytes,
    ) -> Result<(StatusCode, Option<Url>), PushError> {
        if url.origin() != self.url("")?.origin() {
            return Err(PushError::Elsewhere {
                registry: self.reference.registry().to_owned(),
                host: url.host_str().unwrap_or_default().to_owned(),
            });
        }
        let length = (CONTENT_LENGTH, body.len().to_string());
        let sent = Sent {
            method,
            url,
            authorization: &self.authorization,
            headers: headers.iter().chain([&length]),
            body,
        };
        Ok(self.http.send_once(sent).await?)
    }

    fn url(&self, path: &str) -> Result<Url, PushError> {
        Url::parse(&format!("{}/{path}", self.repository))
            .map_err(|_| self.refused(StatusCode::NOT_FOUND))
    }

    fn expect(&self, status: StatusCode, expected: StatusCode) -> Result<(), PushError> {
        match status == expected {
            true => Ok(()),
            false => Err(self.refused(status)),
        }
    }

    fn refused(&self, status: StatusCode) -> PushError {
        PushError::Refused {
            registry: self.reference.registry().to_owned(),
            status,
        }
    }
}
