//! The `sandglass` program.

/// Each call allocates and frees some hundred small objects on whichever thread runs it:
/// this takes three hundredths off a REST call's CPU beside the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    sandglass::cli::main()
}
