//! TLS by rustls, with a provider of its own: nothing is installed for the process, and nothing
//! that the process has installed matters.

use std::fmt;
use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::transport::Timed;

/// How servers prove who they are.
#[derive(Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Trusts the certificates of a file, or those of `webpki-roots`.
    ///
    /// # Errors
    /// What is wrong with the file, in words.
    pub(super) fn new(authorities: Option<&Path>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        match authorities {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(path) => {
                let certificates = CertificateDer::pem_file_iter(path)
                    .map_err(|_| "a file that can be read".to_owned())?;
                for certificate in certificates {
                    certificate
                        .ok()
                        .and_then(|certificate| roots.add(certificate).ok())
                        .ok_or("a file of certificates in PEM")?;
                }
                if roots.is_empty() {
                    return Err("a file with at least one certificate in PEM".to_owned());
                }
            }
        }
        // rule: the-provider-is-our-own
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| "a build of rustls with TLS 1.2 or 1.3".to_owned())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// Makes a session on a connected socket, for those who await it.
    #[cfg(feature = "async")]
    pub(super) async fn cover_awaited(
        &self,
        host: &str,
        socket: tokio::net::TcpStream,
    ) -> io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
        let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let name = ServerName::try_from(host.to_owned()).map_err(invalid)?;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.0));
        connector.connect(name, socket).await
    }

    /// Begins a session on a connected socket. The handshake is made by the first write.
    pub(super) fn cover(
        &self,
        host: &str,
        socket: Timed<TcpStream>,
    ) -> io::Result<StreamOwned<ClientConnection, Timed<TcpStream>>> {
        let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let name = ServerName::try_from(host.to_owned()).map_err(invalid)?;
        let session = ClientConnection::new(Arc::clone(&self.0), name)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(StreamOwned::new(session, socket))
    }
}
