//! `scripts/fuzz key_parse`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nimbus_fuzz::key_parse(data));
