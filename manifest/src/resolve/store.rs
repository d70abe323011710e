//! Key-value stores, and what is kept in them.

use std::collections::BTreeMap;

use http::Uri;
use serde_saphyr::Location;

use super::{Resolver, Seen};
use crate::{
    ManifestError, Store, StoreKind, StoreName, Tasks, TextOrSecret,
    field::Field,
    store::{StoreDocument, StoreWord},
    tasks::TasksDocument,
    url,
};

impl Resolver<'_> {
    pub(super) fn stores(
        &self,
        field: &Field<BTreeMap<StoreName, Field<StoreDocument>>>,
    ) -> Result<BTreeMap<StoreName, Store>, ManifestError> {
        let mut stores = BTreeMap::new();
        let mut paths = Seen::new();
        for (name, store) in field.value().into_iter().flatten() {
            let (document, place) = store.get().expect("a key has a value");
            let kind = self.store_kind(document, place)?;
            if let (StoreKind::Embedded { path }, Some((_, place))) = (&kind, document.path.get()) {
                let what = "a store in this file";
                self.only_once(
                    &mut paths,
                    path.to_path_buf(),
                    what,
                    "choose another file",
                    place,
                )?;
            }
            let quota = match document.quota.get() {
                Some((quota, place)) if quota.get() == 0 => {
                    return self.refuse(place, "quota 0 leaves no room for any value; raise it");
                }
                quota => quota.map_or(Store::QUOTA, |(quota, _)| *quota),
            };
            stores.insert(name.clone(), Store { kind, quota });
        }
        Ok(stores)
    }

    pub(super) fn tasks(
        &self,
        document: &TasksDocument,
        stores: &BTreeMap<StoreName, Store>,
    ) -> Result<Tasks, ManifestError> {
        let (name, place) = document.store.get().expect("a required key");
        self.check_store(name, place, stores)?;
        Ok(Tasks {
            store: name.clone(),
        })
    }

    /// Refuses a name that is none of the stores'.
    pub(super) fn check_store(
        &self,
        name: &StoreName,
        place: Location,
        stores: &BTreeMap<StoreName, Store>,
    ) -> Result<(), ManifestError> {
        if stores.contains_key(name) {
            return Ok(());
        }
        let known = stores.keys().map(StoreName::as_str);
        self.refuse_unknown("store", name.as_str(), known, place)
    }

    fn store_kind(
        &self,
        document: &StoreDocument,
        place: Location,
    ) -> Result<StoreKind, ManifestError> {
        let kind = document.kind.value().expect("a required key");
        match (kind, document.path.get(), document.url.get()) {
            (StoreWord::Embedded, Some((path, place)), None) => Ok(StoreKind::Embedded {
                path: self.path("path", path, place)?,
            }),
            (StoreWord::Redis, None, Some((url, place))) => {
                let url = self.text_or_secret(url, place)?;
                if let TextOrSecret::Text(url) = &*url {
                    self.check_redis_url(url, place)?;
                }
                Ok(StoreKind::Redis { url })
            }
            (StoreWord::Embedded, _, Some((_, place))) => {
                self.refuse(place, "an embedded store has no `url`; remove it")
            }
            (StoreWord::Redis, Some((_, place)), _) => {
                self.refuse(place, "a redis store has no `path`; remove it")
            }
            (StoreWord::Embedded, None, None) => self.refuse(
                place,
                "the key `path` is missing; it says where the values are kept",
            ),
            (StoreWord::Redis, None, None) => {
                self.refuse(place, "the key `url` is missing; write `url: redis://..`")
            }
        }
    }

    /// The URL is never shown: it may hold a password.
    fn check_redis_url(&self, given: &str, place: Location) -> Result<(), ManifestError> {
        let parsed = given.parse::<Uri>().ok();
        let authority = parsed
            .as_ref()
            .filter(|uri| matches!(uri.scheme_str(), Some("redis" | "rediss")))
            .and_then(Uri::authority)
            .filter(|authority| !authority.host().is_empty());
        let Some(authority) = authority else {
            return self.refuse(
                place,
                "`url` is not `redis://HOST:PORT` or `rediss://HOST:PORT`",
            );
        };
        if !url::has_valid_port(authority) {
            return self.refuse(place, format!("in `url`, {}", url::BAD_PORT));
        }
        let user = authority.as_str().rsplit_once('@').map(|(user, _)| user);
        if user.is_some_and(|user| user.contains(':')) {
            return self.refuse(
                place,
                "the URL holds a password; put it in a file and write \
                 `url: { secret: { file: PATH } }`",
            );
        }
        Ok(())
    }
}
