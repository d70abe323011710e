//! The clocks that QuickJS reads through the C library. While the component is built there is no host to ask: QuickJS
//! looks at them once to seed its random numbers, of which nobody gets one, and to note when it was started.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering};

static RUNNING: AtomicBool = AtomicBool::new(false);

/// From now on there is a host.
pub fn run() {
    RUNNING.store(true, Ordering::Relaxed);
}

/// `struct timeval` and `struct timespec` of wasi-libc: 64 bits for seconds, 32 with padding for parts of them.
type Time = [u64; 2];

unsafe extern "C" {
    fn __real_gettimeofday(time: *mut Time, zone: *mut c_void) -> c_int;
    fn __real_clock_gettime(clock: *const c_void, time: *mut Time) -> c_int;
}

/// The linker puts this in the place of `gettimeofday`.
///
/// # Safety
/// As `gettimeofday` itself.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_gettimeofday(time: *mut Time, zone: *mut c_void) -> c_int {
    if RUNNING.load(Ordering::Relaxed) {
        // SAFETY: the caller's arguments.
        return unsafe { __real_gettimeofday(time, zone) };
    }
    // SAFETY: the caller wants the time there.
    unsafe { time.write([0; 2]) };
    0
}

/// The linker puts this in the place of `clock_gettime`.
///
/// # Safety
/// As `clock_gettime` itself.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_clock_gettime(clock: *const c_void, time: *mut Time) -> c_int {
    if RUNNING.load(Ordering::Relaxed) {
        // SAFETY: the caller's arguments.
        return unsafe { __real_clock_gettime(clock, time) };
    }
    // SAFETY: the caller wants the time there.
    unsafe { time.write([0; 2]) };
    0
}
