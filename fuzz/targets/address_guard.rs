//! `scripts/fuzz address_guard`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nimbus_fuzz::address_guard(data));
