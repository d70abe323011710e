//! What runs the calls of a tool, a prompt, a resource.

use std::sync::Arc;

use sandglass_manifest::Limits;

use crate::invoke::Admission;
use crate::sandbox::{Component, Grants};
use crate::source::verify::SignerName;

/// A loaded component, and what its calls may use and reach.
pub struct Guest {
    /// The component.
    pub component: Component,
    /// What a call may use.
    pub limits: Limits,
    /// What a call may reach.
    pub grants: Grants,
    /// Calls at once, and the queue before them.
    pub admission: Arc<Admission>,
    /// Who signed the component, of those that must have.
    pub signed_by: Arc<[SignerName]>,
}
