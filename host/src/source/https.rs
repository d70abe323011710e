//! A component from a web server.

use bytes::Bytes;
use sandglass_manifest::HttpsSource;

use super::http::{Authorization, Expected, Request};
use super::{FetchError, Fetcher};
use crate::sandbox::compile::MAX_COMPONENT;

/// The file, from the cache where it was fetched before: its digest is known.
pub async fn fetch(fetcher: &Fetcher, source: &HttpsSource) -> Result<Bytes, FetchError> {
    if let Some(bytes) = fetcher.cache.get(source.digest()).await {
        return Ok(bytes);
    }
    let request = Request {
        url: source.url(),
        accept: None,
        authorization: &Authorization::None,
        form: None,
        expected: Expected {
            digest: Some(source.digest()),
            size: None,
            at_most: MAX_COMPONENT,
        },
    };
    let bytes = fetcher.http.fetch(request).await?;
    fetcher.cache.put(source.digest(), bytes.clone()).await;
    Ok(bytes)
}
