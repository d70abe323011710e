//! Values that the operator grants: settings and secrets (`allow.env` in the manifest).
//!
//! ```
//! use sandglass_sdk::{config, testing, tool};
//!
//! /// The price with tax.
//! #[tool]
//! fn with_tax(price: f64) -> Result<f64, config::Error> {
//!     let percent: f64 = config::get("TAX_PERCENT")?;
//!     Ok(price * (1.0 + percent / 100.0))
//! }
//!
//! assert_eq!(
//!     with_tax(100.0).unwrap_err().to_string(),
//!     "`TAX_PERCENT` is not granted: give it a value at this tool's source in the manifest, \
//!      `allow: { env: { TAX_PERCENT: .. } }`"
//! );
//! testing::set_config("TAX_PERCENT", "20");
//! assert_eq!(with_tax(100.0), Ok(120.0));
//! ```
//!
//! `std::env::var` finds the same values. In native tests each thread, and so each test, has values of its own: those
//! of [`testing::set_config`](crate::testing::set_config).

use std::{any::type_name, fmt, str::FromStr};

#[cfg(target_arch = "wasm32")]
use crate::bindings::config::wasi::config::store as host;

/// Why a value can't be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The operator grants none of this name.
    #[error(
        "`{0}` is not granted: give it a value at this tool's source in the manifest, `allow: {{ env: {{ {0}: .. }} }}`"
    )]
    NotGranted(String),
    /// The operator grants no secret of this name.
    #[error(
        "the secret `{0}` is not granted: name it at this tool's source in the manifest, \
         `allow: {{ env: {{ {0}: {{ secret: {{ file: /path/of/{0} }} }} }} }}`"
    )]
    SecretNotGranted(String),
    /// There is a value that is none of this type. The value is not told: it may be a secret.
    #[error(
        "the value of `{name}` is no {expected}: mend it at this tool's source in the manifest, under `allow: {{ env: .. }}`"
    )]
    Unfit {
        /// The value's name.
        name: String,
        /// What it should be: the name of a type.
        expected: &'static str,
    },
    /// The host could not say; its words.
    #[error("`{name}` cannot be read: {reason}")]
    Failed {
        /// The value's name.
        name: String,
        /// The host's words.
        reason: String,
    },
}

/// A secret: what can be printed does not have it.
///
/// ```
/// use sandglass_sdk::{config, testing};
///
/// testing::set_config("API_KEY", "s3cret");
/// let key = config::secret("API_KEY")?;
/// assert_eq!(format!("{key:?}"), "Secret(..)");
/// assert_eq!(key.expose(), "s3cret");
/// # Ok::<(), config::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself: not for a log, an error or a result.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(..)")
    }
}

/// The value of this name, as text or as any type that is read from text.
///
/// ```
/// # sandglass_sdk::testing::set_config("UNITS", "metric");
/// let units: String = sandglass_sdk::config::get("UNITS")?;
/// # assert_eq!(units, "metric");
/// # Ok::<(), sandglass_sdk::config::Error>(())
/// ```
///
/// # Errors
/// It is not granted, or no such value.
pub fn get<T: FromStr>(name: &str) -> Result<T, Error> {
    optional(name)?.ok_or_else(|| Error::NotGranted(name.to_owned()))
}

/// The value of this name, if the operator grants one.
///
/// ```
/// let retries: u8 = sandglass_sdk::config::optional("RETRIES")?.unwrap_or(3);
/// # assert_eq!(retries, 3);
/// # Ok::<(), sandglass_sdk::config::Error>(())
/// ```
///
/// # Errors
/// It is no such value.
pub fn optional<T: FromStr>(name: &str) -> Result<Option<T>, Error> {
    let Some(value) = read(name)? else {
        return Ok(None);
    };
    value.parse().map(Some).map_err(|_| Error::Unfit {
        name: name.to_owned(),
        expected: type_name::<T>(),
    })
}

/// The secret of this name. What a server needs of a secret is better set by the operator, as a header in the rule that
/// grants the server: then the tool never sees it.
///
/// ```
/// let error = sandglass_sdk::config::secret("API_KEY").unwrap_err().to_string();
/// assert!(error.contains("`allow: { env: { API_KEY: { secret: { file: /path/of/API_KEY } } } }`"));
/// ```
///
/// # Errors
/// It is not granted.
pub fn secret(name: &str) -> Result<Secret, Error> {
    read(name)?
        .map(Secret)
        .ok_or_else(|| Error::SecretNotGranted(name.to_owned()))
}

fn read(name: &str) -> Result<Option<String>, Error> {
    host::get(name).map_err(|error| Error::Failed {
        name: name.to_owned(),
        reason: match error {
            host::Error::Upstream(reason) | host::Error::Io(reason) => reason,
        },
    })
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use host::set;

/// What a tool finds outside a component: values in the thread's own memory.
#[cfg(not(target_arch = "wasm32"))]
mod host {
    use std::{cell::RefCell, collections::BTreeMap};

    pub use crate::bindings::config::wasi::config::store::Error;

    thread_local! {
        static VALUES: RefCell<BTreeMap<String, String>> = const { RefCell::new(BTreeMap::new()) };
    }

    pub fn get(name: &str) -> Result<Option<String>, Error> {
        Ok(VALUES.with_borrow(|values| values.get(name).cloned()))
    }

    pub fn set(name: String, value: String) {
        VALUES.with_borrow_mut(|values| values.insert(name, value));
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, get, optional, secret};
    use crate::testing::set_config;

    #[test]
    fn a_value_is_read_as_its_type() {
        assert_eq!(optional::<u8>("N"), Ok(None));
        assert_eq!(get::<u8>("N"), Err(Error::NotGranted("N".to_owned())));
        set_config("N", "7");
        assert_eq!(get("N"), Ok(7_u8));
        assert_eq!(get("N"), Ok("7".to_owned()));
    }

    #[test]
    fn an_error_does_not_tell_the_value() {
        set_config("N", "geheim");
        let told = get::<u8>("N").unwrap_err().to_string();
        assert!(
            told.starts_with("the value of `N` is no u8: ") && !told.contains("geheim"),
            "{told}"
        );
        let told = secret("KEY").unwrap_err().to_string();
        assert!(
            told.contains("{ KEY: { secret: { file: /path/of/KEY } } }"),
            "{told}"
        );
    }
}
