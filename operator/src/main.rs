//! The `sandglass-operator` program.

fn main() -> std::process::ExitCode {
    sandglass_operator::cli::main()
}
