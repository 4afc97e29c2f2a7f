//! Certificates: read from files, told when they end, and replaced while connections go on.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use ::aws_lc_rs::digest::{SHA256, digest};
use nimbus_core::time::Ts;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio_rustls::TlsAcceptor;
use x509_cert::der::Decode;

/// Why a certificate and its key cannot be served. What the files hold is never repeated.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("{file} cannot be read")]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("{file} holds no certificate in PEM")]
    NoCertificate { file: PathBuf },
    #[error("{file} holds a certificate that is malformed")]
    Malformed { file: PathBuf },
    #[error("{file} holds no private key in PEM")]
    NoKey { file: PathBuf },
    #[error("the key does not belong to the certificate, or is of a kind that TLS does not use")]
    Mismatch { source: rustls::Error },
    #[error("the certificate ended on {0}")]
    Ended(Ts),
}

/// What became of a look at the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// They are as they were.
    Same,
    /// What they hold now is served, until then.
    Replaced(Ts),
}

/// A pair as it is served.
struct Pair {
    served: Arc<CertifiedKey>,
    /// When the first certificate of the chain ends.
    ends: Ts,
    /// Of the bytes of both files.
    digest: Digest,
}

type Digest = [u8; 32];

/// A certificate and its key, in files that may change.
pub struct Certificates {
    certificate_file: PathBuf,
    key_file: PathBuf,
    pair: RwLock<Pair>,
    /// What was refused last, so that it is told once.
    refused: Mutex<Option<Digest>>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("certificate_file", &self.certificate_file)
            .finish_non_exhaustive()
    }
}

impl Certificates {
    /// Reads a chain and its key, both PEM. One that has ended is taken: [`Self::ends`] tells.
    ///
    /// # Errors
    /// Files that cannot be read, hold something else, or do not belong together.
    pub fn read(certificate_file: &Path, key_file: &Path) -> Result<Self, CertificateError> {
        let (chain, key) = (contents(certificate_file)?, contents(key_file)?);
        let pair = pair_of(certificate_file, &chain, key_file, &key)?;
        Ok(Self {
            certificate_file: certificate_file.to_owned(),
            key_file: key_file.to_owned(),
            pair: RwLock::new(pair),
            refused: Mutex::new(None),
        })
    }

    /// When the certificate that is served ends, or the first of its chain that does.
    pub fn ends(&self) -> Ts {
        self.pair.read().unwrap_or_else(PoisonError::into_inner).ends
    }

    /// Looks at the files again. What they hold is served from the next handshake on; what cannot be served, or has
    /// ended by `now`, leaves everything as it is. The same contents are refused once, and then are the same.
    ///
    /// # Errors
    /// As [`Self::read`], and for a certificate that has ended.
    pub fn reload(&self, now: Ts) -> Result<Reload, CertificateError> {
        let read = contents(&self.certificate_file).and_then(|chain| Ok((chain, contents(&self.key_file)?)));
        let (chain, key) = match read {
            Ok(read) => read,
            Err(error) if self.is_refused_first(Digest::default()) => return Err(error),
            Err(_) => return Ok(Reload::Same),
        };
        let digest = digest_of(&chain, &key);
        if digest == self.pair.read().unwrap_or_else(PoisonError::into_inner).digest {
            self.refused.lock().unwrap_or_else(PoisonError::into_inner).take();
            return Ok(Reload::Same);
        }
        let pair = pair_of(&self.certificate_file, &chain, &self.key_file, &key);
        let pair =
            pair.and_then(
                |pair| if pair.ends <= now { Err(CertificateError::Ended(pair.ends)) } else { Ok(pair) },
            );
        match pair {
            Ok(pair) => {
                let ends = pair.ends;
                *self.pair.write().unwrap_or_else(PoisonError::into_inner) = pair;
                self.refused.lock().unwrap_or_else(PoisonError::into_inner).take();
                Ok(Reload::Replaced(ends))
            }
            Err(error) if self.is_refused_first(digest) => Err(error),
            Err(_) => Ok(Reload::Same),
        }
    }

    fn is_refused_first(&self, digest: Digest) -> bool {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.replace(digest) != Some(digest)
    }

    /// TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1, no early data.
    pub(super) fn acceptor(self: &Arc<Self>) -> TlsAcceptor {
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])
            // It fails for a provider without cipher suites of these versions, which this one has.
            .expect("aws-lc-rs has suites of both versions")
            .with_no_client_auth();
        let mut config = config.with_cert_resolver(Arc::new(Current(Arc::clone(self))));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Answers a handshake with the pair that is served now.
#[derive(Debug)]
struct Current(Arc<Certificates>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let pair = self.0.pair.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&pair.served))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn contents(file: &Path) -> Result<Vec<u8>, CertificateError> {
    std::fs::read(file).map_err(|source| CertificateError::Unreadable { file: file.to_owned(), source })
}

fn digest_of(chain: &[u8], key: &[u8]) -> Digest {
    let both: Vec<u8> =
        [chain, key].iter().flat_map(|part| digest(&SHA256, part).as_ref().to_vec()).collect();
    let mut found = Digest::default();
    found.copy_from_slice(digest(&SHA256, &both).as_ref());
    found
}

fn pair_of(
    certificate_file: &Path,
    chain: &[u8],
    key_file: &Path,
    key: &[u8],
) -> Result<Pair, CertificateError> {
    let digest = digest_of(chain, key);
    let malformed = || CertificateError::Malformed { file: certificate_file.to_owned() };
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(|_| malformed())?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate { file: certificate_file.to_owned() });
    }
    let ends = chain.iter().map(|one| end_of(one)).collect::<Option<Vec<_>>>().ok_or_else(malformed)?;
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| CertificateError::NoKey { file: key_file.to_owned() })?;
    let served = CertifiedKey::from_der(chain, key, &provider())
        .map_err(|source| CertificateError::Mismatch { source })?;
    // There is at least one.
    let ends = ends.into_iter().min().unwrap_or(Ts::from_micros(0));
    Ok(Pair { served: Arc::new(served), ends, digest })
}

/// `notAfter` of a certificate (RFC 5280 section 4.1.2.5).
fn end_of(certificate: &[u8]) -> Option<Ts> {
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    let end = certificate.tbs_certificate.validity.not_after.to_unix_duration();
    Some(Ts::from_micros(i64::try_from(end.as_micros()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files {
        folder: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap() }
        }

        fn certificate(&self) -> PathBuf {
            self.folder.path().join("cert.pem")
        }

        fn key(&self) -> PathBuf {
            self.folder.path().join("key.pem")
        }

        /// Writes a new pair that ends in the first days of a year; its key.
        fn put(&self, year: i32) -> String {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 1, 2);
            std::fs::write(self.certificate(), params.self_signed(&key).unwrap().pem()).unwrap();
            std::fs::write(self.key(), key.serialize_pem()).unwrap();
            key.serialize_pem()
        }

        fn read(&self) -> Result<Certificates, CertificateError> {
            Certificates::read(&self.certificate(), &self.key())
        }
    }

    fn new_year(year: i16) -> Ts {
        let text = format!("{year}-01-02T00:00:00Z");
        Ts::parse(&text).unwrap()
    }

    #[test]
    fn another_pair_takes_the_place_of_the_first() {
        let files = Files::new();
        files.put(2040);
        let certificates = files.read().unwrap();
        assert_eq!(certificates.ends(), new_year(2040));
        let now = new_year(2030);
        assert_eq!(certificates.reload(now).unwrap(), Reload::Same);
        files.put(2041);
        assert_eq!(certificates.reload(now).unwrap(), Reload::Replaced(new_year(2041)));
        assert_eq!(certificates.ends(), new_year(2041));
    }

    #[test]
    fn what_cannot_be_served_leaves_the_pair_and_is_told_once() {
        let files = Files::new();
        let own = files.put(2040);
        let certificates = files.read().unwrap();
        let now = new_year(2030);
        files.put(2041);
        std::fs::write(files.key(), own).unwrap();
        assert!(matches!(certificates.reload(now), Err(CertificateError::Mismatch { .. })));
        assert_eq!(certificates.reload(now).unwrap(), Reload::Same, "told");
        files.put(2029);
        assert!(matches!(certificates.reload(now), Err(CertificateError::Ended(_))));
        std::fs::write(files.certificate(), "nothing").unwrap();
        assert!(matches!(certificates.reload(now), Err(CertificateError::NoCertificate { .. })));
        std::fs::remove_file(files.certificate()).unwrap();
        assert!(matches!(certificates.reload(now), Err(CertificateError::Unreadable { .. })));
        assert_eq!(certificates.reload(now).unwrap(), Reload::Same, "told");
        assert_eq!(certificates.ends(), new_year(2040));
        files.put(2042);
        assert_eq!(certificates.reload(now).unwrap(), Reload::Replaced(new_year(2042)));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_and_not_shown() {
        let files = Files::new();
        let key = files.put(2040);
        std::fs::write(files.certificate(), &key).unwrap();
        let told = files.read().unwrap_err().to_string();
        assert!(told.ends_with("cert.pem holds no certificate in PEM"), "{told}");
        files.put(2040);
        std::fs::write(files.key(), "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
            .unwrap();
        let told = files.read().unwrap_err();
        assert!(matches!(told, CertificateError::Mismatch { .. }), "{told}");
        assert!(!told.to_string().contains("c2VjcmV0"));
    }
}
