#![no_main]

#[path = "../entries.rs"]
#[expect(dead_code, reason = "each target calls one of them")]
mod entries;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entries::source(bytes));
