//! The `sandglass` program.

fn main() -> std::process::ExitCode {
    sandglass::cli::main()
}
