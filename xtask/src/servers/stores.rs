//! Redis in its other shapes: a cluster of three masters, a master and a replica behind three
//! sentinels, and a server with TLS; and memcached.
//!
//! Tests that break a server start one of their own, see `diesel-cache-faults`; these are for
//! those that only use it.

use std::fs;
use std::path::{Path, PathBuf};

use diesel_cache_faults::{
    MemcachedServer, RedisCluster, RedisSentinels, RedisServer, free_port, memcached_program,
    redis_program,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::error::{Context, Error, Result};
use crate::workspace::program;

const MASTERS: usize = 3;

/// The running servers; dropping it stops them.
pub(super) struct Stores {
    cluster: RedisCluster,
    sentinels: RedisSentinels,
    secure: Secure,
    memcached: MemcachedServer,
}

/// A server with TLS, and the file with the certificate that vouches for it.
struct Secure {
    server: RedisServer,
    port: u16,
    authority: PathBuf,
}

/// Whether there is a Redis at all. One that was built without TLS says so when it is started.
pub(super) fn installed() -> bool {
    redis_program().is_ok()
}

/// Whether there is a memcached.
pub(crate) fn has_memcached() -> bool {
    memcached_program().is_ok()
}

/// The program of Valkey, where the machine has one: Debian has it from version 13 on.
fn valkey() -> Option<PathBuf> {
    match std::env::var_os("CACHE_TEST_VALKEY") {
        Some(named) => Some(PathBuf::from(named)),
        None => program("valkey-server", &[]),
    }
}

impl Stores {
    pub(super) const NAMES: &[&str] = &[
        "redis cluster",
        "redis sentinels",
        "redis with TLS",
        "memcached",
    ];

    /// Starts them, with certificates in `folder`.
    pub(super) fn start(folder: &Path) -> Result<Self> {
        Ok(Self {
            cluster: RedisCluster::start(MASTERS, &[]).context("a Redis cluster")?,
            sentinels: RedisSentinels::start(&[]).context("Redis sentinels")?,
            secure: Secure::start(&folder.join("tls"))?,
            memcached: MemcachedServer::start(&["-m", "512", "-I", "32m"]).context("memcached")?,
        })
    }

    /// The variables that tell the tests where they are.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let Secure {
            server,
            port,
            authority,
        } = &self.secure;
        let mut variables = vec![
            (
                "CACHE_TEST_REDIS_CLUSTER_URLS",
                self.cluster.urls().join(","),
            ),
            (
                "CACHE_TEST_REDIS_SENTINEL_URLS",
                self.sentinels.urls().join(","),
            ),
            (
                "CACHE_TEST_REDIS_SENTINEL_NAME",
                self.sentinels.name().to_owned(),
            ),
            (
                "CACHE_TEST_REDIS_TLS_URL",
                format!("rediss://localhost:{port}/"),
            ),
            ("CACHE_TEST_REDIS_TLS_CA", authority.display().to_string()),
            // The same server without TLS: to look at it from the side.
            ("CACHE_TEST_REDIS_TLS_PLAIN_URL", server.url()),
        ];
        let address = self.memcached.address().to_string();
        variables.push(("CACHE_TEST_MEMCACHED_ADDRESS", address));
        variables.extend(valkey().map(|file| ("CACHE_TEST_VALKEY", file.display().to_string())));
        variables
    }
}

impl Secure {
    fn start(folder: &Path) -> Result<Self> {
        fs::create_dir(folder).context(format_args!("creating {}", folder.display()))?;
        let certificates = Certificates::new()
            .map_err(|error| Error::new(format!("making certificates: {error}")))?;
        let write = |name: &str, text: &str| -> Result<String> {
            let path = folder.join(name);
            fs::write(&path, text).context(format_args!("writing {}", path.display()))?;
            Ok(path.display().to_string())
        };
        let authority = write("ca.pem", &certificates.authority)?;
        let server = write("server.pem", &certificates.server)?;
        let key = write("server.key", &certificates.key)?;
        let port = free_port().context("looking for a free port")?;
        let tls_port = port.to_string();
        let server = RedisServer::start(&[
            "--tls-port",
            &tls_port,
            "--tls-cert-file",
            &server,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &authority,
            "--tls-auth-clients",
            "no",
        ]);
        Ok(Self {
            server: server.context("Redis with TLS")?,
            port,
            authority: PathBuf::from(authority),
        })
    }
}

/// An authority that nobody knows, and a server that it vouches for. All in PEM.
struct Certificates {
    authority: String,
    server: String,
    key: String,
}

impl Certificates {
    fn new() -> std::result::Result<Self, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        // Unlike the server's, or that would pass for a certificate that vouches for itself.
        params
            .distinguished_name
            .push(DnType::CommonName, "the tests' authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let server = CertificateParams::new(names)?.signed_by(&key, &authority)?;
        Ok(Self {
            authority: authority.pem(),
            server: server.pem(),
            key: key.serialize_pem(),
        })
    }
}
