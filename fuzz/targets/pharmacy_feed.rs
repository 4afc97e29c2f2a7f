//! `scripts/fuzz pharmacy_feed`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nimbus_fuzz::pharmacy_feed(data));
