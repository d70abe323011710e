//! Tenants, and the tools of all of them.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use serde_saphyr::Location;

use super::{Resolver, Seen, tool::Tools};
use crate::{
    Engine, Limits, ManifestError, Quota, Store, StoreName, Tenant, TenantName, Tool,
    document::DocumentBody,
    field::Field,
    host::Port,
    tenant::{QuotaDocument, TenantDocument},
};

/// What the manifest says of tools by itself, and of tenants.
type ToolsAndTenants = (Option<Vec<Tool>>, Tenants);

pub(super) type Tenants = BTreeMap<TenantName, Tenant>;

impl Resolver<'_> {
    /// The top-level tools, which are the default tenant's, and the tenants.
    pub(super) fn tools_and_tenants(
        &self,
        document: &DocumentBody,
        inherited: Limits,
        engine: &Engine,
        stores: &BTreeMap<StoreName, Store>,
    ) -> Result<ToolsAndTenants, ManifestError> {
        let mut all = Tools {
            resolver: self,
            engine,
            stores,
            names: Seen::new(),
        };
        let written = document.tenants.value();
        let default = written
            .and_then(|tenants| tenants.get(&TenantName::default()))
            .and_then(Field::value);
        let of_default = match default {
            Some(default) => self.limits(&default.limits, inherited, engine)?,
            None => inherited,
        };
        let tools = match document.tools.value() {
            Some(tools) => Some(all.list(tools, of_default)?),
            None => None,
        };
        let mut tenants: Tenants = BTreeMap::new();
        for (name, tenant) in written.into_iter().flatten() {
            let (body, place) = tenant.get().expect("a key has a value");
            let port = self.port(name, body, &tenants)?;
            let limits = self.limits(&body.limits, inherited, engine)?;
            let tools = match body.tools.get() {
                Some((_, place)) if name.is_default() => {
                    return self.refuse(
                        place,
                        "the tools of `default` are the manifest's own `tools`; write them there",
                    );
                }
                None if !name.is_default() => {
                    return self.refuse(
                        place,
                        "the key `tools` is missing; for a tenant without any write `tools: []`",
                    );
                }
                None if !body.limits.is_present() && !body.quota.is_present() => {
                    return self.refuse(
                        place,
                        "this says nothing; write `limits` or `quota`, or remove `default`",
                    );
                }
                Some((tools, _)) => all.list(tools, limits)?,
                None => Vec::new(),
            };
            let quota = self.quota(&body.quota)?;
            tenants.insert(
                name.clone(),
                Tenant {
                    tools,
                    limits,
                    quota,
                    port,
                },
            );
        }
        Ok((tools, tenants))
    }

    fn quota(&self, field: &Field<QuotaDocument>) -> Result<Quota, ManifestError> {
        let Some((document, place)) = field.get() else {
            return Ok(Quota::default());
        };
        let quota = Quota {
            calls_per_minute: document.calls_per_minute.value().copied(),
            fuel_per_minute: document.fuel_per_minute.value().copied(),
            concurrency: document.concurrency.value().copied(),
        };
        if quota.is_unlimited() {
            return self.refuse(place, "the quota bounds nothing; set one or remove the key");
        }
        Ok(quota)
    }

    /// A tenant's own port, which no tenant before has.
    fn port(
        &self,
        name: &TenantName,
        body: &TenantDocument,
        before: &Tenants,
    ) -> Result<Option<NonZeroU16>, ManifestError> {
        let Some((Port(port), place)) = body.port.get() else {
            return Ok(None);
        };
        if name.is_default() {
            return self.refuse(
                place,
                "the port of `default` is the host's own (`--port`); remove it here",
            );
        }
        let same = before.iter().find(|(_, other)| other.port == Some(*port));
        if let Some((other, _)) = same {
            return self.refuse(
                place,
                format!("the tenant `{other}` has the port {port}; choose another"),
            );
        }
        Ok(Some(*port))
    }

    /// Refuses a tenant that the manifest does not have.
    pub(super) fn check_tenant(
        &self,
        name: &TenantName,
        tenants: &Tenants,
        place: Location,
    ) -> Result<(), ManifestError> {
        if name.is_default() || tenants.contains_key(name) {
            return Ok(());
        }
        let known = tenants.keys().map(TenantName::as_str);
        self.refuse_unknown("tenant", name.as_str(), known, place)
    }
}
