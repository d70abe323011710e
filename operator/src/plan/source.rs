//! Where a server's tools come from: one place each.

use sandglass_manifest::OciReference;

use super::name::check_reference;
use super::problem::{Problem, Reason};
use super::reference::{Reference, ReferenceKind};
use crate::crd::{KeyRef, Tools};
use crate::settings::Packages;

const FIELD: &str = "spec.config.tools";

/// The one source of a server's tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Python source in the spec.
    Python(String),
    /// An artifact in a registry.
    Oci(OciReference),
    /// A component, or source text, under a key; it is mounted into the pod.
    Mounted(MountedKey),
}

/// A key of a ConfigMap or Secret that a pod mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountedKey {
    /// What has the key.
    pub kind: ReferenceKind,
    /// The object.
    pub name: String,
    /// The key.
    pub key: String,
}

impl Source {
    /// The source that a spec names.
    pub fn parse(tools: &Tools, packages: &Packages) -> Result<Self, Problem> {
        let given: Vec<&str> = [
            ("fromPackage", tools.from_package.is_some()),
            ("fromString", tools.from_string.is_some()),
            ("fromSecretKeyRef", tools.from_secret_key_ref.is_some()),
            (
                "fromConfigMapKeyRef",
                tools.from_config_map_key_ref.is_some(),
            ),
            ("fromOCI", tools.from_oci.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect();
        let invalid = |message: String| Problem::new(Reason::InvalidSource, FIELD, message);
        match given[..] {
            [] => {
                return Err(invalid(
                    "no source is named; write one of fromOCI, fromString, fromConfigMapKeyRef, fromSecretKeyRef and fromPackage".to_owned(),
                ));
            }
            [_] => {}
            _ => {
                return Err(invalid(format!(
                    "{} are given, and a server has one source; keep one of them, and make a server of each other one",
                    given.join(" and ")
                )));
            }
        }
        if let Some(text) = &tools.from_string {
            return python(text);
        }
        if let Some(reference) = &tools.from_oci {
            return oci(reference, "fromOCI").map(Self::Oci);
        }
        if let Some(package) = &tools.from_package {
            return of_package(package, packages).map(Self::Oci);
        }
        let mounted = |kind, reference: &KeyRef| {
            Self::Mounted(MountedKey {
                kind,
                name: reference.name.clone(),
                key: reference.key.clone(),
            })
        };
        if let Some(key) = &tools.from_config_map_key_ref {
            return check_key(key, "fromConfigMapKeyRef")
                .map(|()| mounted(ReferenceKind::ConfigMap, key));
        }
        let key = tools
            .from_secret_key_ref
            .as_ref()
            .expect("one of them is given");
        check_key(key, "fromSecretKeyRef").map(|()| mounted(ReferenceKind::Secret, key))
    }

    /// The object that must be there.
    pub fn reference(&self) -> Option<Reference> {
        let Self::Mounted(mounted) = self else {
            return None;
        };
        let field = match mounted.kind {
            ReferenceKind::ConfigMap => "fromConfigMapKeyRef",
            ReferenceKind::Secret => "fromSecretKeyRef",
        };
        Some(Reference {
            kind: mounted.kind,
            name: mounted.name.clone(),
            key: mounted.key.clone(),
            optional: false,
            field: format!("{FIELD}.{field}"),
        })
    }
}

fn python(text: &str) -> Result<Source, Problem> {
    if text.trim().is_empty() {
        let field = format!("{FIELD}.fromString");
        let message =
            "it is empty; write a Python function, whose name, docstring and types make a tool";
        return Err(Problem::new(Reason::InvalidSource, field, message));
    }
    Ok(Source::Python(text.to_owned()))
}

fn oci(reference: &str, field: &str) -> Result<OciReference, Problem> {
    reference.parse().map_err(|error| {
        let field = format!("{FIELD}.{field}");
        Problem::new(Reason::InvalidSource, field, format!("{error}"))
    })
}

fn of_package(package: &str, packages: &Packages) -> Result<OciReference, Problem> {
    if package.starts_with("oci://") {
        return oci(package, "fromPackage");
    }
    packages.get(package).cloned().ok_or_else(|| {
        let message = format!(
            "no component is known for the package `{package}`, and packages of Python are not installed; start the operator with `--package {package}=oci://REGISTRY/REPOSITORY:TAG`, or write a reference that begins with `oci://`"
        );
        Problem::new(Reason::UnknownPackage, format!("{FIELD}.fromPackage"), message)
    })
}

fn check_key(reference: &KeyRef, field: &str) -> Result<(), Problem> {
    let field = format!("{FIELD}.{field}");
    if reference.optional == Some(true) {
        let field = format!("{field}.optional");
        let message = "tools cannot be optional; remove it";
        return Err(Problem::new(Reason::InvalidSource, field, message));
    }
    check_reference(reference, Reason::InvalidSource, &field)
}
