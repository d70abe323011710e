//! A provider that never finishes its list of tools.

fn list() -> Result<Vec<guest_support::Tool>, String> {
    let mut counter: u64 = 0;
    loop {
        counter = std::hint::black_box(counter.wrapping_add(1));
    }
}

guest_support::provider!(list: list(), call: guest_support::say_name);
