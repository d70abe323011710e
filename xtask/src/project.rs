//! Where things lie in the checkout.

use std::path::PathBuf;

/// The checkout's folder.
pub fn root() -> PathBuf {
    // Cargo sets it for `cargo xtask`; the compiled-in value serves those who start the binary by hand.
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent()
        .expect("xtask lies in the checkout")
        .to_path_buf()
}

/// A path below `target`, where everything that is built or installed goes.
pub fn target(path: &str) -> PathBuf {
    root().join("target").join(path)
}
