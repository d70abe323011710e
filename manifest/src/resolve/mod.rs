//! From a document to a manifest: every value in its place, and checked.

mod allow;
mod audit;
mod identity;
mod limits;
mod policy;
mod store;
mod tenant;
mod tool;
mod verify;

#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::BTreeMap,
    fmt::Display,
    path::{Path, PathBuf},
};

use serde_saphyr::Location;

use crate::{
    Defaults, Manifest, ManifestError, Origin, Placed, SecretRef, Surroundings, TextOrSecret,
    Version,
    document::{DocumentBody, Short},
    field::Field,
    keys,
    place::Place,
    scalar,
    secret::{SecretDocument, TextOrSecretDocument},
};

/// Turns a document into a manifest; its errors carry the place of the value at fault.
pub(crate) struct Resolver<'a> {
    origin: &'a Origin,
    base: PathBuf,
    surroundings: &'a Surroundings,
}

/// Where a thing that may stand only once was first.
type Seen<K> = BTreeMap<K, Location>;

impl<'a> Resolver<'a> {
    pub(crate) fn new(origin: &'a Origin, surroundings: &'a Surroundings) -> Self {
        Self {
            origin,
            base: surroundings.base(origin),
            surroundings,
        }
    }

    pub(crate) fn manifest(&self, document: &DocumentBody) -> Result<Manifest, ManifestError> {
        self.require_version(document)?;
        let absent = Manifest::absent(self.surroundings);
        let engine = match document.engine.value() {
            Some(engine) => self.engine(engine, absent.engine)?,
            None => absent.engine,
        };
        let limits = match document.defaults.value() {
            Some(defaults) => self.limits(&defaults.limits, absent.defaults.limits, &engine)?,
            None => absent.defaults.limits,
        };
        self.check_inherited_memory(document, limits, &engine)?;
        let stores = self.stores(&document.stores)?;
        let tasks = match document.tasks.value() {
            Some(tasks) => Some(self.tasks(tasks, &stores)?),
            None => None,
        };
        let (tools, tenants) = self.tools_and_tenants(document, limits, &engine, &stores)?;
        let identity = match document.identity.get() {
            Some((identity, place)) => Some(self.identity(identity, place, &tenants)?),
            None => None,
        };
        let audit = match document.audit.value() {
            Some(audit) => Some(self.audit(audit)?),
            None => None,
        };
        Ok(Manifest {
            version: Version,
            defaults: Defaults { limits },
            engine,
            tools,
            stores,
            tasks,
            identity,
            tenants,
            audit,
            require_signature: self.signature_rules(&document.require_signature)?,
        })
    }

    fn require_version(&self, document: &DocumentBody) -> Result<(), ManifestError> {
        fn place<T>(field: &Field<T>) -> Option<Location> {
            field.get().map(|(_, place)| place)
        }
        let more = place(&document.defaults)
            .or(place(&document.engine))
            .or(place(&document.stores))
            .or(place(&document.tasks))
            .or(place(&document.identity))
            .or(place(&document.tenants))
            .or(place(&document.audit))
            .or(place(&document.require_signature));
        match more {
            Some(place) if !document.version.is_present() => self.refuse(
                place,
                format!(
                    "the key `version` is missing; write `version: {}` at the beginning",
                    Version::NUMBER
                ),
            ),
            _ => Ok(()),
        }
    }

    fn refuse<T>(&self, place: Location, message: impl Display) -> Result<T, ManifestError> {
        Err(ManifestError::at(place, self.origin, message))
    }

    /// A value that may turn out to be of no use later.
    fn placed<T>(&self, value: T, place: Location) -> Placed<T> {
        Placed::new(value, Place::at(place, self.origin))
    }

    /// Refuses a name that is not one of those that are known.
    fn refuse_unknown<'n, T>(
        &self,
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'n str>,
        place: Location,
    ) -> Result<T, ManifestError> {
        let known: Vec<_> = known.collect();
        let mend = match keys::nearest(name, known.iter().copied()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None if known.is_empty() => format!("write it in `{what}s`"),
            None => format!("the {what}s here are {}", known.join(", ")),
        };
        let shown = scalar::quoted(name);
        self.refuse(place, format!("there is no {what} {shown}, {mend}"))
    }

    /// Refuses a thing that was there before; `what` begins the message.
    fn only_once<K: Ord>(
        &self,
        seen: &mut Seen<K>,
        key: K,
        what: impl std::fmt::Display,
        mend: &str,
        place: Location,
    ) -> Result<(), ManifestError> {
        match seen.insert(key, place) {
            None => Ok(()),
            Some(first) => {
                let line = first.line();
                self.refuse(
                    place,
                    format!("{what} is given in line {line} already; {mend}"),
                )
            }
        }
    }

    /// The members of a list, which must have some; `nothing` says what an empty one would mean.
    fn members<'d, T>(
        &self,
        list: &'d Field<Vec<Field<T>>>,
        nothing: &str,
    ) -> Result<impl Iterator<Item = (&'d T, Location)> + use<'d, T>, ManifestError> {
        match list.get() {
            Some((members, place)) if members.is_empty() => {
                self.refuse(place, format!("the list is empty: {nothing}"))
            }
            list => Ok(list
                .into_iter()
                .flat_map(|(members, _)| members)
                .filter_map(Field::get)),
        }
    }

    /// The members of such a list, none of them twice.
    fn once_each<T: Ord + Clone>(
        &self,
        list: &Field<Vec<Field<T>>>,
        nothing: &str,
    ) -> Result<Vec<T>, ManifestError> {
        let mut seen = Seen::new();
        let mut members = Vec::new();
        for (member, place) in self.members(list, nothing)? {
            self.only_once(&mut seen, member, "this", "remove one", place)?;
            members.push(member.clone());
        }
        Ok(members)
    }

    /// A path that is written as text; `key` names it in the error.
    fn path(
        &self,
        key: &str,
        path: &str,
        place: Location,
    ) -> Result<Placed<PathBuf>, ManifestError> {
        if path.is_empty() || path.contains(char::is_control) {
            let shown = scalar::quoted(path);
            return self.refuse(place, format!("{key} {shown} is not a path"));
        }
        let located = self.locate(Path::new(path), place)?;
        Ok(self.placed(located, place))
    }

    fn path_field(
        &self,
        key: &str,
        field: &Field<String>,
    ) -> Result<Option<Placed<PathBuf>>, ManifestError> {
        field
            .get()
            .map(|(path, place)| self.path(key, path, place))
            .transpose()
    }

    fn locate(&self, path: &Path, place: Location) -> Result<PathBuf, ManifestError> {
        self.surroundings
            .locate(path, &self.base)
            .or_else(|problem| {
                let shown = scalar::quoted(&path.display().to_string());
                self.refuse(
                    place,
                    format!("the path {shown} cannot be found: {problem}"),
                )
            })
    }

    fn text_or_secret(
        &self,
        document: &TextOrSecretDocument,
        place: Location,
    ) -> Result<Placed<TextOrSecret>, ManifestError> {
        let value = match document {
            Short::Text(text) => TextOrSecret::Text(text.clone()),
            Short::Full(body) => TextOrSecret::Secret {
                secret: self.secret(&body.secret)?.into_inner(),
            },
        };
        Ok(self.placed(value, place))
    }

    /// A secret's place; the field is there, or its object would not deserialize.
    fn secret(&self, field: &Field<SecretDocument>) -> Result<Placed<SecretRef>, ManifestError> {
        let (secret, place) = field.get().expect("a required key");
        match (secret.file.get(), secret.env.get()) {
            (Some((file, place)), None) => {
                let file = self.path("file", file, place)?.into_inner();
                Ok(self.placed(SecretRef::File(file), place))
            }
            (None, Some((name, place))) => Ok(self.placed(SecretRef::Env(name.0.clone()), place)),
            (None, None) => self.refuse(
                place,
                "where the secret lies is missing; write `file` or `env`",
            ),
            (Some(_), Some((_, place))) => self.refuse(
                place,
                "`file` and `env` cannot stand together; keep one of them",
            ),
        }
    }
}
