//! A cluster for the operator's tests: a real API server with its store, and what a test plays of the rest.

mod api;
mod control_plane;
mod ground;
pub mod guide;
mod kubelet;
mod operator;
mod proxy;

pub use api::Api;
pub use control_plane::ControlPlane;
pub use ground::Ground;
pub use kubelet::{Kubelet, PlayedPod};
pub use operator::{Operator, OperatorLaunch, definition, serving};
pub use proxy::{Asked, Proxy};
