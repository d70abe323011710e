//! The one path of a call: REST, MCP and the CLI all come through [`Invoker::run`].
//!
//! Find the tool in the tenant's catalog, check the caller's scopes and the arguments, wait for
//! admission, run the guest, check what it returned; all of it on an account that is charged and written
//! down however the call ends.

mod account;
mod admission;
mod call;
mod error;
mod ledger;
mod outcome;
mod quota;
mod run;
mod tenant;
mod usage;
mod visible;

pub use admission::Admission;
pub use call::{Call, CallTool, Completed, Operation, ToolOutput};
pub use error::{InvokeError, Owner};
pub use ledger::{Ledger, TenantAccount};
pub use outcome::Outcome;
pub use quota::Amount;
pub use run::Invoker;
pub use tenant::{Caller, Known, TenantId, Tenants};
pub use usage::{Counters, Sum, TenantCounters, TenantUsage};
pub use visible::VisibleTools;
