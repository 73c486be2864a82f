//! The matrix of real peers: every TLS stack at hand, as client and as server, with every fault a certificate or a hello can
//! have, and what Sallyport is to say of it. Here are the peers, the certificates, the expectations and the table; which
//! cases there are is for the tests (`tests/cluster/matrix_*`).

pub mod client;
pub mod driver;
pub mod fake;
pub mod program;
pub mod quic;
pub mod relay;
pub mod run;
pub mod rustls_peer;
pub mod server;
pub mod table;
pub mod want;
pub mod zoo;

/// A TLS stack, by the program that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// `openssl s_client` and `s_server`.
    OpenSsl,
    /// curl, with OpenSSL.
    Curl,
    /// nginx, with OpenSSL.
    Nginx,
    /// Python's ssl module, with OpenSSL.
    Python,
    /// Go's crypto/tls.
    Go,
    /// `gnutls-cli` and `gnutls-serv`.
    GnuTls,
    /// The JDK's JSSE.
    Java,
    /// rustls, with webpki.
    Rustls,
}

impl Stack {
    /// Those that are clients.
    pub const CLIENTS: [Self; 7] = [
        Self::OpenSsl,
        Self::Curl,
        Self::Python,
        Self::Go,
        Self::GnuTls,
        Self::Java,
        Self::Rustls,
    ];
    /// Those that are servers.
    pub const SERVERS: [Self; 7] = [
        Self::OpenSsl,
        Self::Nginx,
        Self::Python,
        Self::Go,
        Self::GnuTls,
        Self::Java,
        Self::Rustls,
    ];

    /// For the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenSsl => "openssl",
            Self::Curl => "curl",
            Self::Nginx => "nginx",
            Self::Python => "python",
            Self::Go => "go",
            Self::GnuTls => "gnutls",
            Self::Java => "java",
            Self::Rustls => "rustls",
        }
    }
}

/// A version that a peer is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.0.
    V10,
    /// TLS 1.1.
    V11,
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

impl Version {
    /// The two that Sallyport speaks.
    pub const BOTH: [Self; 2] = [Self::V12, Self::V13];

    /// `1.2`.
    pub const fn number(self) -> &'static str {
        match self {
            Self::V10 => "1.0",
            Self::V11 => "1.1",
            Self::V12 => "1.2",
            Self::V13 => "1.3",
        }
    }

    /// Below TLS 1.2, which OpenSSL speaks only with all security off.
    pub const fn is_old(self) -> bool {
        matches!(self, Self::V10 | Self::V11)
    }

    /// The flag of `openssl s_client` and `s_server`.
    pub const fn openssl_flag(self) -> &'static str {
        match self {
            Self::V10 => "-tls1",
            Self::V11 => "-tls1_1",
            Self::V12 => "-tls1_2",
            Self::V13 => "-tls1_3",
        }
    }
}
