//! The one path of a call: REST, MCP and the CLI all come through [`Invoker::run`].
//!
//! Find the tool in the tenant's catalog, check the arguments, wait for
//! admission, run the guest, check what it returned.

mod admission;
mod call;
mod error;
mod run;
mod tenant;

pub use admission::Admission;
pub use call::{Call, CallTool, Completed, Operation, ToolOutput};
pub use error::InvokeError;
pub use run::Invoker;
pub use tenant::{Caller, TenantId};
