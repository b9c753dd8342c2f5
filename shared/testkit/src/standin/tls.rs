//! TLS for a stand-in, with a certificate of its own.

use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::Line;

/// A key and a certificate for 127.0.0.1 and localhost.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) certificate: String,
    config: Arc<ServerConfig>,
}

impl Identity {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let certificate =
            CertificateParams::new(names).expect("names").self_signed(&key).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks them")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
            )
            .expect("they fit");
        Self { certificate: certificate.pem(), config: Arc::new(config) }
    }

    /// Talks on a connection, and says goodbye.
    pub(super) fn serve(&self, stream: TcpStream, talk: impl FnOnce(&mut dyn Line)) {
        let connection = ServerConnection::new(Arc::clone(&self.config)).expect("a connection");
        let mut line = StreamOwned::new(connection, stream);
        talk(&mut line);
        line.conn.send_close_notify();
        let _ = std::io::Write::flush(&mut line);
    }
}
