#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| asterisk_websms::fuzz::response_check(data));
