//! Policies of Wassette.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use serde::de::IgnoredAny;
use serde_saphyr::{Location, Spanned};

use super::{Resolver, Seen};
use crate::{
    Access, Allow, ByteSize, FolderGrant, HostPattern, HttpRule, ManifestError, Origin, SecretRef,
    TextOrSecret, WassettePolicy,
    allow::GuestPath,
    scalar,
    wassette::{
        Maybe, NetworkRule, Permissions, PolicyDocument, Resources, Rules, StorageAccess,
        StorageRule,
    },
    yaml,
};

impl Resolver<'_> {
    /// The policy in the file that a manifest names.
    pub(super) fn policy_file(
        &self,
        path: &Path,
        place: Location,
    ) -> Result<WassettePolicy, ManifestError> {
        let shown = path.display().to_string();
        let origin = Origin::File(path.to_owned());
        match yaml::text_of(path, &origin) {
            Ok(text) => WassettePolicy::parse_in(&text, &origin, self.surroundings),
            Err(error) => self.refuse(
                place,
                format!("the policy {} {}", scalar::quoted(&shown), error.message()),
            ),
        }
    }

    pub(crate) fn policy(
        &self,
        document: &PolicyDocument,
    ) -> Result<WassettePolicy, ManifestError> {
        let Some(permissions) = &document.permissions else {
            return Ok(WassettePolicy::default());
        };
        let Permissions {
            storage,
            network,
            environment,
            resources,
            runtime,
            ipc,
        } = permissions;
        self.refuse_key(runtime, "it is for other runtimes than Wassette")?;
        self.refuse_key(ipc, "no component here has channels to other processes")?;
        let mut allow = Allow::default();
        let mut guests = Seen::new();
        for rule in self.allowed(storage)? {
            allow
                .files
                .push(self.storage_rule(&rule.value, &mut guests)?);
        }
        for rule in self.allowed(network)? {
            allow.http.extend(self.network_rule(rule)?);
        }
        for rule in self.allowed(environment)? {
            let secret = SecretRef::Env(rule.value.key.0.clone());
            let value = self.placed(TextOrSecret::Secret { secret }, rule.referenced);
            allow.env.insert(rule.value.key.0.clone(), value);
        }
        let memory = match resources {
            Some(resources) => self.policy_memory(resources)?,
            None => None,
        };
        Ok(WassettePolicy { allow, memory })
    }

    /// Refuses a key that means something there and has no equal here.
    fn refuse_key(&self, key: &Maybe<IgnoredAny>, reason: &str) -> Result<(), ManifestError> {
        match key {
            None => Ok(()),
            Some(key) => self.refuse(key.referenced, format!("{reason}; remove it")),
        }
    }

    fn allowed<'d, T>(
        &self,
        rules: &'d Option<Rules<T>>,
    ) -> Result<&'d [Spanned<T>], ManifestError> {
        let Some(rules) = rules else {
            return Ok(&[]);
        };
        match &rules.deny {
            Some(deny) if !deny.value.is_empty() => self.refuse(
                deny.referenced,
                "nothing is denied out of what `allow` names; name less there and remove `deny`",
            ),
            _ => Ok(rules.allow.as_deref().unwrap_or_default()),
        }
    }

    /// Wassette opens the folder at the URI's path with all that is below it, and its guest sees it at that
    /// path. A guest's relative path starts at `/`, so that `workspace` and `/workspace` are the same to it.
    fn storage_rule(
        &self,
        rule: &StorageRule,
        guests: &mut Seen<String>,
    ) -> Result<FolderGrant, ManifestError> {
        let StorageRule { uri, access } = rule;
        let place = uri.referenced;
        let Some(path) = uri.value.strip_prefix("fs://") else {
            return self.refuse(place, "only `fs://` is storage; write `fs://FOLDER/**`");
        };
        let folder = path
            .strip_suffix("**")
            .filter(|folder| folder.is_empty() || folder.ends_with('/'))
            .unwrap_or(path);
        if folder.contains('*') {
            return self.refuse(
                place,
                "a folder is granted as a whole; write `fs://FOLDER/**`, one rule for each",
            );
        }
        if folder.split('/').any(|segment| segment == "..") {
            let shown = scalar::quoted(&uri.value);
            return self.refuse(
                place,
                format!("{shown} leads out of a folder by `..`; write the whole path of the one that is meant, `fs:///FOLDER/**`"),
            );
        }
        let guest: String = folder
            .split('/')
            .filter(|segment| !matches!(*segment, "" | "."))
            .flat_map(|segment| ["/", segment])
            .collect();
        let guest = match if guest.is_empty() { "/" } else { &guest }.parse::<GuestPath>() {
            Ok(guest) => guest.0,
            Err(error) => return self.refuse(place, error.to_string()),
        };
        let what = format!("the folder {}", scalar::quoted(&guest));
        self.only_once(guests, guest.clone(), what, "remove one", place)?;
        // Not as the manifest's own paths: Wassette has no `~`.
        let host: PathBuf = self.base.join(folder).components().collect();
        if host.is_file() {
            return self.refuse(place, "this is a file; only folders can be granted");
        }
        Ok(FolderGrant {
            host: self.placed(host, place),
            guest,
            access: self.storage_access(access)?,
        })
    }

    fn storage_access(
        &self,
        access: &Spanned<Vec<StorageAccess>>,
    ) -> Result<Access, ManifestError> {
        let has = |wanted| access.value.contains(&wanted);
        match (has(StorageAccess::Read), has(StorageAccess::Write)) {
            (true, false) => Ok(Access::Read),
            (true, true) => Ok(Access::ReadWrite),
            (false, true) => self.refuse(
                access.referenced,
                "files that can be written and not read are not offered; write [read, write]",
            ),
            (false, false) => self.refuse(access.referenced, "it grants nothing; write [read]"),
        }
    }

    fn network_rule(&self, rule: &Spanned<NetworkRule>) -> Result<Vec<HttpRule>, ManifestError> {
        let NetworkRule {
            host,
            cidr,
            defaults,
        } = &rule.value;
        self.refuse_key(
            cidr,
            "Wassette looks at a request's host alone, so `cidr` lets nothing through, here as there (write `host` \
             for a server that is meant)",
        )?;
        self.refuse_key(
            defaults,
            "the hosts that it stands for are not in the policy",
        )?;
        let Some(host) = host else {
            return self.refuse(rule.referenced, "the key `host` is missing");
        };
        let rules = host.value.ports.iter().map(|port| HttpRule {
            // There a host that is named may have any address. Here a public name may not lead to a private
            // one; what is private by its own name can be meant no other way.
            private: is_private(&host.value.host),
            ..HttpRule::to(host.value.host.clone(), *port)
        });
        Ok(rules.collect())
    }

    fn policy_memory(&self, resources: &Resources) -> Result<Option<ByteSize>, ManifestError> {
        let no_share = "a share of the processor cannot be kept (`limits.fuel` and `limits.timeout` \
                        of the manifest bound a call)";
        self.refuse_key(&resources.cpu, no_share)?;
        self.refuse_key(&resources.io, "operations on files are not counted")?;
        let limit = match &resources.limits {
            None => None,
            Some(limits) => {
                self.refuse_key(&limits.cpu, no_share)?;
                limits.memory.as_ref().map(|memory| memory.value.0)
            }
        };
        match (&resources.memory, limit) {
            (None, limit) => Ok(limit),
            (Some(older), Some(_)) => self.refuse(
                older.referenced,
                "`limits.memory` says it already; remove it",
            ),
            (Some(older), None) => match older.value.checked_mul(1 << 20) {
                Some(bytes) => Ok(Some(ByteSize::bytes(bytes))),
                None => self.refuse(older.referenced, "it is too large; it is counted in MiB"),
            },
        }
    }
}

/// Whether a host's name or address says by itself that it is private.
fn is_private(host: &HostPattern) -> bool {
    let HostPattern::Exact(name) = host else {
        return false;
    };
    match name.parse() {
        Ok(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        Ok(IpAddr::V6(v6)) => {
            v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()
        }
        Err(_) => name == "localhost",
    }
}
