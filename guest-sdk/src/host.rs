//! The host's functions, as far as they are the same for a component and for
//! a native test, where there is no host.

#[cfg(target_arch = "wasm32")]
pub use crate::bindings::{
    resources::sandglass::tool::resource_updates::updated,
    sandglass::tool::host::{ask, cancelled, log, progress},
};
#[cfg(not(target_arch = "wasm32"))]
pub use absent::{ask, cancelled, log, progress, updated};

/// What a tool finds outside a component: nobody listens and nobody asks.
#[cfg(not(target_arch = "wasm32"))]
mod absent {
    use crate::{
        bindings::sandglass::tool::host::AskError,
        contract::{Answer, LogLevel, Question},
    };

    pub fn log(_level: LogLevel, _data: &str, _logger: Option<&str>) {}

    pub fn progress(_progress: f64, _total: Option<f64>, _message: Option<&str>) {}

    pub fn updated(_uri: &str) {}

    pub fn cancelled() -> bool {
        false
    }

    pub fn ask(_questions: &[Question]) -> Result<Vec<Answer>, AskError> {
        Err(AskError::Unsupported(
            "there is no host outside a component".to_owned(),
        ))
    }
}
