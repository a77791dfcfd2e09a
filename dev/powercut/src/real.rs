//! The C library's own functions, below ours.

use std::ffi::CStr;

/// The next definition of a function, the C library's own, as the type that the caller says it has.
macro_rules! real {
    ($name:literal as fn($($argument:ty),*) -> $result:ty) => {{
        static FOUND: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
        let found = *FOUND.get_or_init(|| $crate::real::next($name));
        // SAFETY: the C library's function of this name has this signature.
        unsafe { std::mem::transmute::<usize, unsafe extern "C" fn($($argument),*) -> $result>(found) }
    }};
}
pub(crate) use real;

pub fn next(name: &CStr) -> usize {
    // SAFETY: the name is a C string.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    if found.is_null() {
        give_up("a function of the C library is missing");
    }
    found as usize
}

/// Without a true record nothing may go on.
pub fn give_up(why: &str) -> ! {
    eprintln!("powercut: {why}");
    std::process::abort()
}
