//! Sealing: patient data is stored encrypted, field by field, and looked up by keyed hash.
//!
//! A sealed value is one byte of format, four of key version, the nonce (12 bytes), then AES-256-GCM's
//! ciphertext and tag. The clinic, table, column and row are authenticated with it, so that a value moved to
//! another place does not open. Random 96-bit nonces hold for 2^32 values a key (NIST SP 800-38D, 8.3);
//! rotate a clinic's key before that.

use std::{
    fmt, fs,
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    hkdf, hmac, rand,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use nimbus_core::ids::ClinicId;
use uuid::Uuid;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::{Place, Result, SealError};

const FORMAT: u8 = 1;
const HEADER_LEN: usize = 5;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
pub(crate) const KEY_LEN: usize = 32;

/// A key over keys: it wraps others and never touches patient data itself.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; KEY_LEN]);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

impl MasterKey {
    pub const fn new(bytes: [u8; KEY_LEN]) -> Self {
        Self(bytes)
    }

    /// A new key from the system's random source.
    pub fn generate() -> Result<Self> {
        let mut key = Self([0; KEY_LEN]);
        rand::fill(&mut key.0).map_err(|_| SealError::Random)?;
        Ok(key)
    }

    /// Reads 32 bytes of standard base64; white space around it is ignored.
    pub fn from_base64(text: &str) -> Result<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| SealError::MasterKeyForm)?);
        let bytes = bytes.as_slice().try_into().map_err(|_| SealError::MasterKeyForm)?;
        Ok(Self(bytes))
    }

    /// Reads a file that holds [`MasterKey::from_base64`]'s text.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = Zeroizing::new(fs::read_to_string(path).map_err(|e| SealError::MasterKeyFile(e.kind()))?);
        Self::from_base64(&text)
    }

    /// Reads the file, or makes it with a new key, readable by its owner alone. For sandboxes.
    /// Two processes starting at once end up with the same key.
    pub fn load_or_create(path: &Path) -> Result<Self> {
        match Self::from_file(path) {
            Err(crate::Error::Seal(SealError::MasterKeyFile(ErrorKind::NotFound))) => {}
            done => return done,
        }
        Self::create(path).map_err(|e| SealError::MasterKeyFile(e.kind()))?;
        Self::from_file(path)
    }

    /// Writes a new key beside `path`, then links it there unless another process was first.
    fn create(path: &Path) -> std::io::Result<()> {
        let key = Self::generate().map_err(std::io::Error::other)?;
        let text = Zeroizing::new(STANDARD.encode(key.0));
        let draft = path.with_extension(format!("{}.draft", Uuid::now_v7()));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        let linked = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::hard_link(&draft, path));
        fs::remove_file(&draft)?;
        match linked {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            done => done?,
        }
        // The name must survive a crash as well as the content: without it all data would be lost.
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(folder)?.sync_all()
    }

    pub(crate) fn bytes(&self) -> [u8; KEY_LEN] {
        self.0
    }

    /// Tells it from other master keys, and nothing else about it: `local:` and 16 hexadecimal digits.
    pub fn id(&self) -> String {
        id_of_check(&self.check())
    }

    /// Derived one way: it tells whether two master keys are the same and nothing else.
    pub(crate) fn check(&self) -> String {
        hex::encode(self.derive("check"))
    }

    /// A key for one other purpose, named by `label` (HKDF-SHA256, RFC 5869).
    pub fn derive(&self, label: &str) -> [u8; KEY_LEN] {
        derive(&self.0, &[b"nimbus master ", label.as_bytes()])
    }

    pub(crate) fn wrap(&self, place: &[u8], key: &[u8]) -> Vec<u8> {
        let wrapping = self.wrapping_key();
        seal(&wrapping, vec![FORMAT], place, key)
    }

    pub(crate) fn unwrap_key(&self, place: &[u8], wrapped: &[u8]) -> Result<Zeroizing<[u8; KEY_LEN]>> {
        if wrapped.first() != Some(&FORMAT) {
            return Err(SealError::Format.into());
        }
        let plain = Zeroizing::new(open(&self.wrapping_key(), 1, place, wrapped)?);
        Ok(Zeroizing::new(plain.as_slice().try_into().map_err(|_| SealError::Format)?))
    }

    fn wrapping_key(&self) -> RandomizedNonceKey {
        cipher(&Zeroizing::new(self.derive("wrap")))
    }
}

/// The id of the master key that this is the check value of.
pub(crate) fn id_of_check(check: &str) -> String {
    format!("local:{}", check.get(..16).unwrap_or(check))
}

/// The place of a sealed value. A value opens only at the place where it was sealed.
#[derive(Debug, Clone, Copy)]
pub struct SealedAt {
    pub table: &'static str,
    pub column: &'static str,
    /// The row's id.
    pub row: Uuid,
}

/// The keys of one clinic, unwrapped: data keys by version, and the key of its look-ups.
pub struct ClinicKeys {
    clinic: ClinicId,
    /// In ascending order of version; the last one seals.
    data: Vec<(u32, RandomizedNonceKey)>,
    index: Zeroizing<[u8; KEY_LEN]>,
    stale: AtomicBool,
}

impl fmt::Debug for ClinicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClinicKeys({:?})", self.clinic)
    }
}

impl ClinicKeys {
    /// `data` may come in any order of versions.
    ///
    /// # Errors
    /// [`SealError::NoKeys`] if there is no data key.
    pub(crate) fn new(
        clinic: ClinicId,
        mut data: Vec<(u32, Zeroizing<[u8; KEY_LEN]>)>,
        index: Zeroizing<[u8; KEY_LEN]>,
    ) -> Result<Self> {
        if data.is_empty() {
            return Err(SealError::NoKeys.into());
        }
        data.sort_by_key(|(version, _)| *version);
        let data = data.into_iter().map(|(version, key)| (version, cipher(&key))).collect();
        Ok(Self { clinic, data, index, stale: AtomicBool::new(false) })
    }

    /// The version that [`ClinicKeys::seal`] uses.
    pub fn version(&self) -> u32 {
        self.data.last().map_or(0, |(version, _)| *version)
    }

    /// Encrypts a value for its place.
    pub fn seal(&self, at: SealedAt, plain: &[u8]) -> Vec<u8> {
        // `new` refuses an empty list.
        let (version, key) = self.data.last().expect("a clinic's keys hold at least one data key");
        let mut header = Vec::with_capacity(HEADER_LEN + NONCE_LEN + plain.len() + TAG_LEN);
        header.push(FORMAT);
        header.extend_from_slice(&version.to_be_bytes());
        let place = self.place(at, &header);
        seal(key, header, &place, plain)
    }

    /// Decrypts a value at its place.
    ///
    /// # Errors
    /// [`SealError::Altered`] if it was altered, belongs elsewhere or is no sealed value,
    /// [`SealError::UnknownVersion`] if its key is not among these.
    pub fn open(&self, at: SealedAt, sealed: &[u8]) -> Result<Vec<u8>> {
        let place = Place { clinic: self.clinic, table: at.table, column: at.column, row: at.row };
        let version = key_version(sealed).ok_or(SealError::Altered(place))?;
        let Some((_, key)) = self.data.iter().find(|(known, _)| *known == version) else {
            // Another node may have rotated the key since these were read: the keyring reads them again.
            self.stale.store(true, Ordering::Relaxed);
            return Err(SealError::UnknownVersion(place).into());
        };
        let opened = open(key, HEADER_LEN, &self.place(at, &sealed[..HEADER_LEN]), sealed);
        opened.map_err(|_| SealError::Altered(place).into())
    }

    /// Whether a value is sealed by an older key, so that its next writer should seal it anew.
    pub fn is_outdated(&self, sealed: &[u8]) -> bool {
        key_version(sealed).is_some_and(|version| version != self.version())
    }

    /// The keyed hash by which a value is found: HMAC-SHA256, its key of this field and clinic alone.
    /// Who asks must normalise the text first, always in the same way. It does not change with rotation.
    pub fn lookup(&self, field: &'static str, normalised: &str) -> Vec<u8> {
        let key = Zeroizing::new(derive(&self.index, &[b"nimbus lookup ", field.as_bytes()]));
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()), normalised.as_bytes())
            .as_ref()
            .to_vec()
    }

    pub(crate) fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Relaxed)
    }

    /// The additional data: fixed lengths or a length before each part, so that no two places are written alike.
    fn place(&self, at: SealedAt, header: &[u8]) -> Vec<u8> {
        let mut place = Vec::with_capacity(128);
        place.extend_from_slice(b"nimbus sealed");
        place.extend_from_slice(header);
        place.extend_from_slice(self.clinic.0.as_bytes());
        for name in [at.table, at.column] {
            place.extend_from_slice(&(name.len() as u64).to_be_bytes());
            place.extend_from_slice(name.as_bytes());
        }
        place.extend_from_slice(at.row.as_bytes());
        place
    }
}

/// The key version in a sealed value's header; `None` if it is no sealed value.
fn key_version(sealed: &[u8]) -> Option<u32> {
    let (header, rest) = sealed.split_first_chunk::<HEADER_LEN>()?;
    let [format, version @ ..] = *header;
    (format == FORMAT && rest.len() >= NONCE_LEN + TAG_LEN).then(|| u32::from_be_bytes(version))
}

fn cipher(key: &[u8; KEY_LEN]) -> RandomizedNonceKey {
    // It fails only for another length than the algorithm's 32 bytes, which the type fixes.
    RandomizedNonceKey::new(&AES_256_GCM, key).expect("an AES-256 key has 32 bytes")
}

/// Header, nonce, ciphertext, tag.
fn seal(key: &RandomizedNonceKey, header: Vec<u8>, place: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(plain.len() + TAG_LEN);
    body.extend_from_slice(plain);
    // It fails only over GCM's 64 GiB, or if the operating system's random source is broken, and then nothing
    // may be stored.
    let nonce = key.seal_in_place_append_tag(Aad::from(place), &mut body).expect("a field is under 64 GiB");
    let mut sealed = header;
    sealed.extend_from_slice(nonce.as_ref());
    sealed.append(&mut body);
    sealed
}

fn open(key: &RandomizedNonceKey, header_len: usize, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
    let (nonce, body) = sealed
        .get(header_len..)
        .and_then(|rest| rest.split_first_chunk::<NONCE_LEN>())
        .ok_or(SealError::Format)?;
    let mut body = body.to_vec();
    let plain_len = key
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(place), &mut body)
        .map_err(|_| SealError::Authentication)?
        .len();
    body.truncate(plain_len);
    Ok(body)
}

fn derive(key: &[u8; KEY_LEN], info: &[&[u8]]) -> [u8; KEY_LEN] {
    let mut out = [0; KEY_LEN];
    hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, key)
        .expand(info, hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut out))
        // RFC 5869 allows 255 blocks; this is one.
        .expect("HKDF yields one block");
    out
}
