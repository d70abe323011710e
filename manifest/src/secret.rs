//! References to secrets: where a value lies that the manifest itself must not hold.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    Placed,
    document::{Forms, Short},
    field::Field,
    scalar::{self, InvalidValue, Scalar},
};

/// Where a secret's value lies. Written `{ secret: { file: /secrets/key } }` or `{ secret: { env: NAME } }`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretRef {
    /// A file's content, less one line break at its end.
    File(PathBuf),
    /// A variable of the host's environment.
    Env(String),
}

impl SecretRef {
    /// The file that it is in, if it is in one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Env(_) => None,
        }
    }
}

/// A text that is in the manifest, or a secret that is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum TextOrSecret {
    /// The text.
    Text(String),
    /// Where the secret lies.
    Secret {
        /// Where the secret lies.
        secret: SecretRef,
    },
}

/// Writes a secret's place as a document has it, in an object of its own.
pub(crate) fn in_object<S: Serializer>(
    secret: &Option<Placed<SecretRef>>,
    output: S,
) -> Result<S::Ok, S::Error> {
    let secret = secret.clone().map(Placed::into_inner);
    secret
        .map(|secret| TextOrSecret::Secret { secret })
        .serialize(output)
}

/// A text as it is, or where a secret lies.
pub(crate) type TextOrSecretDocument = Short<String, SecretBody>;

/// A secret that the manifest does not hold.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Secret")]
pub(crate) struct SecretBody {
    /// Where the secret lies.
    pub secret: Field<SecretDocument>,
}

/// Where a secret lies: one of both.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "an object with `file` or `env`"
)]
#[schemars(rename = "SecretPlace", extend("minProperties" = 1, "maxProperties" = 1))]
pub(crate) struct SecretDocument {
    /// A file; one line break at its end does not count.
    #[schemars(extend("minLength" = 1))]
    pub file: Field<String>,
    /// A variable of the host's environment.
    pub env: Field<EnvName>,
}

impl Forms for SecretBody {
    const EXPECTED: &'static str =
        "a text (a number or `true` in quotes) or `{ secret: { file: .. } }`";
}

/// The name of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EnvName(pub String);

impl Scalar for EnvName {
    const EXPECTED: &'static str = "the name of a variable";
}

impl FromStr for EnvName {
    type Err = InvalidValue;

    fn from_str(given: &str) -> Result<Self, InvalidValue> {
        let problem = if given.is_empty() {
            "it is empty"
        } else if given.contains(['=', '*', '\0']) {
            "a name has no `=`, `*` or NUL"
        } else {
            return Ok(Self(given.to_owned()));
        };
        Err(InvalidValue::new::<Self>(given, problem))
    }
}

scalar::read_as_text!(EnvName);
