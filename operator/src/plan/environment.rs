//! The variables of a server: its container has them, and its tools see exactly these.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::name::check_reference;
use super::placement::{Placement, object_folder};
use super::problem::{Problem, Reason};
use super::quantity::Quantity;
use super::reference::{Reference, ReferenceKind};
use crate::crd::{EnvVar, KeyRef, ValueFrom};

/// What the operator itself sets, or what would change how the host is reached.
const OURS: [&str; 3] = ["MCP_", "SANDGLASS_", "KUBERNETES_"];

/// Those that begin so are the host's, and not the tools'.
const HOSTS_ALONE: &str = "OTEL_";

/// The variables, in the order in which they were written.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: Vec<EnvVar>,
}

impl Environment {
    /// Those of `spec.config.env`, checked.
    pub fn parse(variables: &[EnvVar]) -> Result<Self, Problem> {
        let mut variables = variables.to_vec();
        for (index, variable) in variables.iter_mut().enumerate() {
            check(variable).map_err(|(key, message)| {
                let field = format!("spec.config.env[{index}].{key}");
                Problem::new(Reason::InvalidEnvironment, field, message)
            })?;
            write_divisor(variable).map_err(|message| {
                let field = format!("spec.config.env[{index}].valueFrom.resourceFieldRef.divisor");
                Problem::new(Reason::InvalidEnvironment, field, message)
            })?;
        }
        let environment = Self { variables };
        for (key, field) in environment.keys() {
            check_reference(key.1, Reason::InvalidEnvironment, &field)?;
        }
        Ok(environment)
    }

    /// The keys that values come from, with their fields.
    fn keys(&self) -> impl Iterator<Item = ((ReferenceKind, &KeyRef), String)> {
        let variables = self.variables.iter().enumerate();
        variables.filter_map(|(index, variable)| {
            let (kind, key) = key_of(variable.value_from.as_ref()?)?;
            let name = match kind {
                ReferenceKind::Secret => "secretKeyRef",
                ReferenceKind::ConfigMap => "configMapKeyRef",
            };
            let field = format!("spec.config.env[{index}].valueFrom.{name}");
            Some(((kind, key), field))
        })
    }

    /// The keys that a host of its own has as files, by their objects.
    pub fn files(&self) -> BTreeMap<(ReferenceKind, &str), BTreeSet<&str>> {
        let mut files: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        let keys = self.keys().map(|(key, _)| key);
        for (kind, key) in keys.filter(|(_, key)| key.optional != Some(true)) {
            files
                .entry((kind, &*key.name))
                .or_default()
                .insert(&*key.key);
        }
        files
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.variables.iter().any(|variable| variable.name == name)
    }

    /// The value that is written for a name.
    pub fn literal(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|variable| variable.name == name);
        found?.value.as_deref()
    }

    /// As a container has them.
    pub fn of_container(&self) -> impl Iterator<Item = Value> {
        self.variables.iter().map(|variable| json!(variable))
    }

    /// As a manifest grants them. No secret stands in it: what comes from a ConfigMap or Secret is granted by its file, which
    /// changes while the host runs, and all else that a host's own container has by its name.
    pub fn grants(&self, placement: Placement) -> Result<Map<String, Value>, Problem> {
        let mut grants = Map::new();
        for (index, variable) in self.variables.iter().enumerate() {
            let EnvVar {
                name,
                value,
                value_from,
            } = variable;
            if name.starts_with(HOSTS_ALONE) {
                if placement == Placement::Alone {
                    continue;
                }
                let field = format!("spec.config.env[{index}].name");
                let message = format!(
                    "`{name}`: what begins with `{HOSTS_ALONE}` is the host's, and a shared host has one for all of its tenants; remove it, or set `shared: false`"
                );
                return Err(Problem::new(Reason::NotShareable, field, message));
            }
            if value_from.as_ref().is_some_and(may_be_missing) {
                continue;
            }
            let value = value.as_deref().unwrap_or_default();
            let granted = match (placement, value_from.as_ref().map(key_of)) {
                (_, Some(Some((kind, key)))) => {
                    let folder = object_folder(kind, &key.name);
                    json!({ "secret": { "file": format!("{folder}/{}", key.key) } })
                }
                (_, None) if value.is_empty() => json!(""),
                (Placement::Alone, _) => json!({ "secret": { "env": name } }),
                (Placement::Shared, None) => json!(value),
                (Placement::Shared, Some(None)) => {
                    let field = format!("spec.config.env[{index}].valueFrom");
                    let message = "the pod of a shared host is nobody's own; write a `value`, or set `shared: false`";
                    return Err(Problem::new(Reason::NotShareable, field, message));
                }
            };
            grants.insert(name.clone(), granted);
        }
        Ok(grants)
    }

    /// The objects that must be there.
    pub fn references(&self) -> impl Iterator<Item = Reference> {
        self.keys().map(|((kind, key), field)| Reference {
            kind,
            name: key.name.clone(),
            key: key.key.clone(),
            optional: key.optional == Some(true),
            field,
        })
    }
}

/// Writes the unit of a resource as the API server does.
fn write_divisor(variable: &mut EnvVar) -> Result<(), String> {
    let from = variable.value_from.as_mut();
    let resource = from.and_then(|from| from.resource_field_ref.as_mut());
    if let Some(divisor) = resource.and_then(|resource| resource.get_mut("divisor")) {
        *divisor = json!(Quantity::of_value(divisor)?.to_string());
    }
    Ok(())
}

/// What is wrong, under which key.
fn check(variable: &EnvVar) -> Result<(), (&'static str, String)> {
    let EnvVar {
        name,
        value,
        value_from,
    } = variable;
    let well_formed = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !well_formed {
        return Err((
            "name",
            format!(
                "`{name}` is no variable's name; use letters, digits and `_`, and no digit first"
            ),
        ));
    }
    if let Some(prefix) = OURS.iter().find(|prefix| name.starts_with(**prefix)) {
        return Err((
            "name",
            format!(
                "`{name}`: what begins with `{prefix}` is set by the operator; choose another name"
            ),
        ));
    }
    let Some(from) = value_from else {
        return Ok(());
    };
    if value.is_some() {
        return Err((
            "valueFrom",
            "the variable has a `value` too; remove one of them".to_owned(),
        ));
    }
    let given = [
        from.secret_key_ref.is_some(),
        from.config_map_key_ref.is_some(),
        from.field_ref.is_some(),
        from.resource_field_ref.is_some(),
    ];
    match given.into_iter().filter(|given| *given).count() {
        1 => Ok(()),
        _ => Err((
            "valueFrom",
            "it needs exactly one of secretKeyRef, configMapKeyRef, fieldRef and resourceFieldRef"
                .to_owned(),
        )),
    }
}

/// The key that a value comes from, if it comes from one.
fn key_of(from: &ValueFrom) -> Option<(ReferenceKind, &KeyRef)> {
    let secret = from
        .secret_key_ref
        .as_ref()
        .map(|key| (ReferenceKind::Secret, key));
    secret.or(from
        .config_map_key_ref
        .as_ref()
        .map(|key| (ReferenceKind::ConfigMap, key)))
}

fn may_be_missing(from: &ValueFrom) -> bool {
    let keys = [&from.secret_key_ref, &from.config_map_key_ref];
    keys.into_iter()
        .flatten()
        .any(|key| key.optional == Some(true))
}
