//! The one path of a call: REST, MCP and the CLI all come through [`Invoker::run`].
//!
//! Find the tool, prompt or resource in the tenant's catalog, check the caller's scopes and the arguments, wait for
//! admission, run the guest, check what it returned; all of it on an account that is charged and written
//! down however the call ends.

mod account;
mod admission;
mod call;
mod error;
mod ledger;
mod operation;
mod outcome;
mod quota;
mod room;
mod rounded;
mod run;
mod talk;
mod tenant;
mod updates;
mod usage;
mod visible;

pub use admission::Admission;
pub use call::{
    Call, CallTool, Complete, Completed, GetPrompt, InputRequired, ReadResource, Resume, Step,
    ToolOutput,
};
pub use error::{InvokeError, Owner};
pub use ledger::{Ledger, TenantAccount};
pub use operation::{Operation, Target};
pub use outcome::{Ending, Outcome};
pub use quota::Amount;
pub use room::{Full, Held, Room, RoomShare};
pub use run::{Client, Invoker};
pub use talk::{MIN_KEY, QUESTION_TIMEOUT, StateKey};
pub use tenant::{Caller, CallerId, Known, TenantId, Tenants, kept_name};
pub use updates::{Updated, Updates, Watch};
pub use usage::{Counters, Sum, TenantCounters, TenantUsage};
pub use visible::{Basis, Visible, scope_of};
