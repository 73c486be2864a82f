//! The questions: which step of the probe each belongs to, and how it is written for people. What is sent for it is in
//! [`super::hello`] and [`super::session`].

use std::net::SocketAddr;

use crate::handshake::{TLS12, TLS13, names};

/// A step of the probe, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "Step::name says what each is")]
pub enum Step {
    Resolve,
    Connect,
    Baseline,
    Versions,
    ServerName,
    Ciphers,
    Groups,
    Schemes,
    ClientCertificate,
    Chain,
    Trust,
    Names,
    Dates,
    Strength,
    Alpn,
    Resumption,
    Plaintext,
    Staple,
    Repeat,
}

impl Step {
    /// `P0` to `P19`: stable numbers for the report. Who is in the acceptable CAs (P9) is told with P8.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Resolve => "P0",
            Self::Connect => "P1",
            Self::Baseline => "P2",
            Self::Versions => "P3",
            Self::ServerName => "P4",
            Self::Ciphers => "P5",
            Self::Groups => "P6",
            Self::Schemes => "P7",
            Self::ClientCertificate => "P8",
            Self::Chain => "P10",
            Self::Trust => "P11",
            Self::Names => "P12",
            Self::Dates => "P13",
            Self::Strength => "P14",
            Self::Alpn => "P15",
            Self::Resumption => "P16",
            Self::Plaintext => "P17",
            Self::Staple => "P18",
            Self::Repeat => "P19",
        }
    }

    /// Short name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "dns",
            Self::Connect => "tcp",
            Self::Baseline => "handshake",
            Self::Versions => "versions",
            Self::ServerName => "sni",
            Self::Ciphers => "ciphers",
            Self::Groups => "groups",
            Self::Schemes => "signatures",
            Self::ClientCertificate => "client certificate",
            Self::Chain => "chain",
            Self::Trust => "trust",
            Self::Names => "names",
            Self::Dates => "dates",
            Self::Strength => "strength",
            Self::Alpn => "alpn",
            Self::Resumption => "resumption",
            Self::Plaintext => "plaintext",
            Self::Staple => "ocsp staple",
            Self::Repeat => "repeat",
        }
    }
}

/// A family of cipher suites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "Family::name says what each is")]
pub enum Family {
    EcdsaAead,
    RsaAead,
    ChaCha,
    EcdheCbc,
    Dhe,
    StaticRsa,
    TripleDes,
    Rc4,
    /// One suite of TLS 1.3.
    Tls13(u16),
}

impl Family {
    /// Families of TLS 1.2 and older, those that Sallyport speaks first.
    pub const OLD: [Self; 8] = [
        Self::EcdsaAead,
        Self::RsaAead,
        Self::ChaCha,
        Self::EcdheCbc,
        Self::Dhe,
        Self::StaticRsa,
        Self::TripleDes,
        Self::Rc4,
    ];
    /// The suites of TLS 1.3 that are in use.
    pub const NEW: [Self; 3] = [
        Self::Tls13(0x1301),
        Self::Tls13(0x1302),
        Self::Tls13(0x1303),
    ];

    /// Name.
    pub fn name(self) -> String {
        match self {
            Self::EcdsaAead => "ECDHE-ECDSA with AES-GCM".to_owned(),
            Self::RsaAead => "ECDHE-RSA with AES-GCM".to_owned(),
            Self::ChaCha => "ECDHE with ChaCha20-Poly1305".to_owned(),
            Self::EcdheCbc => "ECDHE with AES-CBC".to_owned(),
            Self::Dhe => "DHE".to_owned(),
            Self::StaticRsa => "static RSA".to_owned(),
            Self::TripleDes => "3DES".to_owned(),
            Self::Rc4 => "RC4".to_owned(),
            Self::Tls13(suite) => names::suite(suite),
        }
    }

    /// Whether Sallyport's TLS library has them.
    pub const fn ours(self) -> bool {
        matches!(
            self,
            Self::EcdsaAead | Self::RsaAead | Self::ChaCha | Self::Tls13(_)
        )
    }

    /// The suites.
    pub fn suites(self) -> Vec<u16> {
        match self {
            Self::EcdsaAead => vec![0xc02b, 0xc02c],
            Self::RsaAead => vec![0xc02f, 0xc030],
            Self::ChaCha => vec![0xcca9, 0xcca8],
            Self::EcdheCbc => vec![
                0xc023, 0xc024, 0xc027, 0xc028, 0xc009, 0xc00a, 0xc013, 0xc014,
            ],
            Self::Dhe => vec![
                0x009e, 0x009f, 0xccaa, 0x0067, 0x006b, 0x0033, 0x0039, 0x0032, 0x0038,
            ],
            Self::StaticRsa => vec![0x009c, 0x009d, 0x003c, 0x003d, 0x002f, 0x0035, 0x0041],
            Self::TripleDes => vec![0x000a, 0x0016, 0xc008, 0xc012],
            Self::Rc4 => vec![0x0005, 0x0004, 0xc007, 0xc011],
            Self::Tls13(suite) => vec![suite],
        }
    }
}

/// Kinds of signatures that a server may be left with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "Schemes::name says what each is")]
pub enum Schemes {
    Pss,
    Pkcs1,
    Ecdsa,
    Sha1,
}

impl Schemes {
    /// All.
    pub const ALL: [Self; 4] = [Self::Pss, Self::Pkcs1, Self::Ecdsa, Self::Sha1];

    /// Name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pss => "RSA-PSS only",
            Self::Pkcs1 => "RSA PKCS#1 only",
            Self::Ecdsa => "ECDSA only",
            Self::Sha1 => "SHA-1 only",
        }
    }

    /// The schemes.
    pub const fn list(self) -> &'static [u16] {
        match self {
            Self::Pss => &[0x0804, 0x0805, 0x0806],
            Self::Pkcs1 => &[0x0401, 0x0501, 0x0601],
            Self::Ecdsa => &[0x0403, 0x0503, 0x0603],
            Self::Sha1 => &[0x0201, 0x0203],
        }
    }
}

/// Which server name is sent instead of the configured one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OtherName {
    /// None.
    None,
    /// One that no server has.
    Bogus,
    /// The name verified, where the configuration sends none.
    Host,
}

/// What ALPN offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Offered {
    /// `h2`.
    H2,
    /// `http/1.1`.
    Http11,
    /// A protocol that nobody speaks.
    Bogus,
}

impl Offered {
    /// As it is on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::H2 => "h2",
            Self::Http11 => "http/1.1",
            Self::Bogus => "sallyport-probe",
        }
    }
}

/// One question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trial {
    /// Look the name up.
    Resolve,
    /// Connect to an address and listen for a greeting.
    Connect(SocketAddr),
    /// Shake hands as configured.
    Baseline,
    /// Offer one version alone.
    Version(u16),
    /// Shake hands under another name.
    Name(OtherName),
    /// The same with a hello made by hand at this version, where Sallyport cannot shake hands.
    OldName(OtherName, u16),
    /// Offer a family of suites alone, at this version.
    Suites(Family, u16),
    /// Offer a group alone, at this version.
    Group(u16, u16),
    /// A hello that needs two TCP segments.
    LargeHello(u16),
    /// Offer a kind of signatures alone, at this version.
    Signatures(Schemes, u16),
    /// Shake hands without a client certificate.
    NoCertificate,
    /// Offer one ALPN protocol.
    Alpn(Offered),
    /// Shake hands, then again with the session of the first time.
    Resume(u16),
    /// Claim to have fallen back to TLS 1.2 (RFC 7507).
    Fallback,
    /// An HTTP request in the clear.
    Plaintext,
    /// Shake hands as configured, with this address, for the n-th time.
    Repeat(SocketAddr, u8),
    /// What was presented, judged without a connection.
    Judge,
}

impl Trial {
    /// The step it belongs to; what is judged is told under several.
    pub const fn step(self) -> Step {
        match self {
            Self::Resolve => Step::Resolve,
            Self::Connect(_) => Step::Connect,
            Self::Baseline => Step::Baseline,
            Self::Version(_) => Step::Versions,
            Self::Name(_) | Self::OldName(..) => Step::ServerName,
            Self::Suites(..) => Step::Ciphers,
            Self::Group(..) | Self::LargeHello(_) => Step::Groups,
            Self::Signatures(..) => Step::Schemes,
            Self::NoCertificate => Step::ClientCertificate,
            Self::Alpn(_) => Step::Alpn,
            Self::Resume(_) | Self::Fallback => Step::Resumption,
            Self::Plaintext => Step::Plaintext,
            Self::Repeat(..) => Step::Repeat,
            Self::Judge => Step::Chain,
        }
    }

    /// What is tried, in a few words.
    pub fn tried(self) -> String {
        let at = |version: u16| names::version(version);
        let other = |name: OtherName| match name {
            OtherName::None => "without a name",
            OtherName::Bogus => "with a name that is nobody's",
            OtherName::Host => "with a name",
        };
        match self {
            Self::Resolve => "look the name up".to_owned(),
            Self::Connect(address) => address.to_string(),
            Self::Baseline => "as configured".to_owned(),
            Self::Version(version) => format!("{} alone", at(version)),
            Self::Name(name) => other(name).to_owned(),
            Self::OldName(name, version) => format!("{} {}", at(version), other(name)),
            Self::Suites(family @ Family::Tls13(_), _) => family.name(),
            Self::Suites(family, version) => format!("{} {}", at(version), family.name()),
            Self::Group(group, version) => format!("{} {}", at(version), names::group(group)),
            Self::LargeHello(_) => format!("a hello of {} bytes", super::hello::LARGE),
            Self::Signatures(schemes, version) => format!("{} {}", at(version), schemes.name()),
            Self::NoCertificate => "without a certificate".to_owned(),
            Self::Alpn(offered) => offered.name().to_owned(),
            Self::Resume(TLS13) => "TLSv1.3 session".to_owned(),
            Self::Resume(_) => "TLSv1.2 session".to_owned(),
            Self::Fallback => "TLS_FALLBACK_SCSV".to_owned(),
            Self::Plaintext => "GET / HTTP/1.0 in the clear".to_owned(),
            Self::Repeat(address, turn) => format!("{address} again, {turn}"),
            Self::Judge => "what was presented".to_owned(),
        }
    }
}

/// Versions tried alone, oldest first.
pub(super) const VERSIONS: [u16; 5] = [0x0300, 0x0301, 0x0302, TLS12, TLS13];
/// Groups tried alone: X25519, P-256, P-384, P-521, X25519MLKEM768.
pub(super) const GROUPS: [u16; 5] = [0x001d, 0x0017, 0x0018, 0x0019, 0x11ec];
/// Those of [`GROUPS`] that Sallyport offers.
pub(super) const OUR_GROUPS: [u16; 4] = [0x11ec, 0x001d, 0x0017, 0x0018];
