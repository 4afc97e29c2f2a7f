//! `scripts/fuzz signature`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nimbus_fuzz::signature(data));
