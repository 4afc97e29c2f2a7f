//! `scripts/fuzz passkey`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nimbus_fuzz::passkey(data));
