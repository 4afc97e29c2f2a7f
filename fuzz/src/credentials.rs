//! API keys and tokens: one that is changed in a single character is none.

use nimbus_app::credentials::{environment_of, from_seed, hash, is_well_formed, shown};

const PREFIXES: [&str; 3] = ["dev_", "prod_", "ops_"];
/// Behind the prefix: 32 random characters and 6 of checksum.
const LENGTH: usize = 38;
/// A list shows no more of a key than its prefix and so many characters.
const SHOWN: usize = 6;

/// Bytes as the text of a key, and as the seed of one.
pub fn key_parse(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let named: Vec<&str> = PREFIXES.into_iter().filter(|prefix| is_well_formed(prefix, text)).collect();
        assert!(named.len() <= 1, "a key of two kinds");
        if let Some(prefix) = named.first() {
            assert_eq!(text.len(), prefix.len() + LENGTH);
            assert_eq!(environment_of(text).is_none(), *prefix == "ops_");
        }
        // What is issued is ASCII, and nothing else is ever shown.
        let prefix = text.find('_').map_or(0, |at| at + 1);
        assert!(!text.is_ascii() || shown(text).len() <= prefix + SHOWN);
    }
    let prefix = PREFIXES[data.len() % PREFIXES.len()];
    let key = from_seed(prefix, data);
    assert!(is_well_formed(prefix, &key), "what is issued is well formed");
    let place = data.first().map_or(0, |byte| usize::from(*byte)) % key.len();
    let other = data.last().map_or(b'x', |byte| byte % 128);
    let mut changed = key.clone().into_bytes();
    if changed[place] != other {
        changed[place] = other;
        let changed = String::from_utf8(changed).expect("ASCII for ASCII");
        assert!(!is_well_formed(prefix, &changed), "one changed character is found");
        assert_ne!(hash(&key), hash(&changed));
    }
}
