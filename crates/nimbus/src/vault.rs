//! The master key in a Vault's transit engine (HashiCorp Vault, OpenBao): it wraps the roots and never gives the key away.
//!
//! Wire format: <https://developer.hashicorp.com/vault/api-docs/secret/transit>, the calls `encrypt` and `decrypt` with
//! `associated_data`, which needs an AEAD key (`aes256-gcm96`, the default, or `chacha20-poly1305`).

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use nimbus_store::{
    BoxFuture, Error, Result, SealError,
    custody::{Custodian, PlainKey, plain_key},
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::Failure;

/// Everything from connecting to the end of the answer.
const DEADLINE: Duration = Duration::from_secs(10);
const ANSWER_LIMIT: usize = 64 * 1024;

/// Where the key is.
#[derive(Debug, Clone)]
pub(crate) struct VaultSettings {
    /// `https://host:port`; plain HTTP to this machine only, where an agent may listen.
    pub(crate) url: String,
    /// Mount and name, as `transit/nimbus`.
    pub(crate) key: String,
    pub(crate) token: Token,
    /// Certificates to trust in place of the public ones.
    pub(crate) ca_file: Option<PathBuf>,
}

/// The token, or the file in which an agent renews it.
#[derive(Clone)]
pub(crate) enum Token {
    Text(String),
    File(PathBuf),
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Why a Vault did not do it. None of these says anything of the key.
#[derive(Debug, thiserror::Error)]
enum VaultError {
    #[error("Vault could not be reached")]
    Unreachable(#[source] hyper_util::client::legacy::Error),
    #[error("Vault did not answer within 10 seconds")]
    Timeout,
    #[error("the file with Vault's token cannot be read: {0}")]
    Token(std::io::ErrorKind),
    #[error("Vault refuses the token, or lets it not use this key")]
    Forbidden,
    #[error("Vault answered {0}")]
    Status(u16),
    #[error("Vault answered what is not the API's form")]
    Form,
}

impl From<VaultError> for Error {
    fn from(error: VaultError) -> Self {
        Self::Unavailable(Arc::new(error))
    }
}

pub(crate) struct Vault {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    mount: String,
    name: String,
    token: Token,
    id: String,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.id)
    }
}

impl Vault {
    pub(crate) fn new(settings: &VaultSettings) -> Result<Self, Failure> {
        let uri: Uri = settings.url.parse().map_err(|_| "vault_url is not a URL")?;
        let is_local = matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if uri.scheme_str() != Some("https") && !(uri.scheme_str() == Some("http") && is_local) {
            return Err("vault_url must be https, or http on this machine".into());
        }
        let sound = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        let Some((mount, name)) =
            settings.key.rsplit_once('/').filter(|(mount, name)| mount.split('/').all(sound) && sound(name))
        else {
            return Err("vault_key names the mount and the key, as transit/nimbus".into());
        };
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector(settings)?),
            base: settings.url.trim_end_matches('/').to_owned(),
            mount: mount.to_owned(),
            name: name.to_owned(),
            token: settings.token.clone(),
            id: format!("vault:{}", settings.key),
        })
    }

    fn token(&self) -> Result<Zeroizing<String>, VaultError> {
        match &self.token {
            Token::Text(text) => Ok(Zeroizing::new(text.clone())),
            Token::File(path) => {
                let text =
                    Zeroizing::new(std::fs::read_to_string(path).map_err(|e| VaultError::Token(e.kind()))?);
                Ok(Zeroizing::new(text.trim().to_owned()))
            }
        }
    }

    /// What `data` of the answer has under a name; `None` where Vault says that it was asked wrongly.
    async fn call(
        &self,
        act: &str,
        body: Value,
        answer: &str,
    ) -> Result<Option<Zeroizing<String>>, VaultError> {
        let body = Zeroizing::new(body.to_string());
        let request = Request::post(format!("{}/v1/{}/{act}/{}", self.base, self.mount, self.name))
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-vault-token", self.token()?.as_str())
            .header("x-vault-request", "true")
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
            .map_err(|_| VaultError::Form)?;
        let exchange = async {
            let response = self.client.request(request).await.map_err(VaultError::Unreachable)?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_LIMIT).collect().await;
            Ok::<_, VaultError>((status, body.map_err(|_| VaultError::Form)?.to_bytes()))
        };
        let (status, body) =
            tokio::time::timeout(DEADLINE, exchange).await.map_err(|_| VaultError::Timeout)??;
        match status {
            StatusCode::OK => {}
            StatusCode::BAD_REQUEST => return Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(VaultError::Forbidden),
            status => return Err(VaultError::Status(status.as_u16())),
        }
        let mut body: Value = serde_json::from_slice(&body).map_err(|_| VaultError::Form)?;
        match body["data"][answer].take() {
            Value::String(text) => Ok(Some(Zeroizing::new(text))),
            _ => Err(VaultError::Form),
        }
    }
}

/// TLS 1.2 or later, to whom the public authorities vouch for, or those of the file.
fn connector(settings: &VaultSettings) -> Result<HttpsConnector<HttpConnector>, Failure> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let builder = match &settings.ca_file {
        None => HttpsConnectorBuilder::new().with_provider_and_webpki_roots(provider)?,
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path)? {
                roots.add(certificate?)?;
            }
            let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth();
            HttpsConnectorBuilder::new().with_tls_config(config)
        }
    };
    Ok(builder.https_or_http().enable_http1().build())
}

impl Custodian for Vault {
    fn key_id(&self) -> &str {
        &self.id
    }

    fn wrap<'a>(&'a self, place: &'a [u8], key: &'a PlainKey) -> BoxFuture<'a, Result<Vec<u8>>> {
        Box::pin(async move {
            let body = json!({ "plaintext": STANDARD.encode(key.as_slice()), "associated_data": STANDARD.encode(place) });
            let wrapped = self.call("encrypt", body, "ciphertext").await?.ok_or(VaultError::Status(400))?;
            Ok(wrapped.as_bytes().to_vec())
        })
    }

    fn unwrap<'a>(&'a self, place: &'a [u8], wrapped: &'a [u8]) -> BoxFuture<'a, Result<PlainKey>> {
        Box::pin(async move {
            let wrapped = std::str::from_utf8(wrapped).map_err(|_| SealError::Format)?;
            let body = json!({ "ciphertext": wrapped, "associated_data": STANDARD.encode(place) });
            let plain = self.call("decrypt", body, "plaintext").await?.ok_or(SealError::Authentication)?;
            let bytes = STANDARD.decode(plain.as_bytes()).map_err(|_| VaultError::Form)?;
            plain_key(&Zeroizing::new(bytes))
        })
    }
}
