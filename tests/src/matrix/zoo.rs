//! The zoo of certificates: one good one and each bad kind, for servers and for clients, as files for programs and as
//! objects for Sallyport. Good chains are leaf and intermediate, without the root, as they should be served.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::pki::{Authority, Identity, Leaf};

/// The name behind which every good server certificate stands.
pub const DOMAIN: &str = "matrix.test";

/// What is wrong with a certificate or its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    Good,
    /// Ended yesterday.
    Expired,
    /// Begins tomorrow.
    NotYetValid,
    /// A whole chain under a root that the other side does not know.
    OtherCa,
    /// A leaf right under a root that the other side does not know, sent alone.
    OtherCaLeafAlone,
    /// Signed by itself, with CA:TRUE as `openssl req -x509` makes it.
    SelfSigned,
    /// The intermediate is not sent.
    Incomplete,
    /// The same, and the intermediate's name does not tell that it is one.
    IncompleteUnnamed,
    /// Two intermediates, sent in the wrong order.
    Disordered,
    /// For the other side of TLS.
    WrongPurpose,
    /// For other names.
    WrongName,
    /// A common name and no subject alternative name.
    CommonNameOnly,
    /// On the list of its issuer's revoked certificates ([`Zoo::revoked`]).
    Revoked,
}

impl Fault {
    /// For file names and the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::OtherCa => "other-ca",
            Self::OtherCaLeafAlone => "other-ca-leaf-alone",
            Self::SelfSigned => "self-signed",
            Self::Incomplete => "incomplete",
            Self::IncompleteUnnamed => "incomplete-unnamed",
            Self::Disordered => "disordered",
            Self::WrongPurpose => "wrong-purpose",
            Self::WrongName => "wrong-name",
            Self::CommonNameOnly => "cn-only",
            Self::Revoked => "revoked",
        }
    }
}

/// A certificate as files.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Chain, PEM.
    pub cert: PathBuf,
    /// Leaf alone, PEM.
    pub leaf: PathBuf,
    /// The chain without its leaf, PEM; `None` if there is nothing above it.
    pub above: Option<PathBuf>,
    /// Key, PKCS #8 PEM.
    pub key: PathBuf,
    /// The same in memory.
    pub identity: Identity,
}

/// See the module.
pub struct Zoo {
    dir: TempDir,
    root: Authority,
    between: Authority,
    other: Authority,
}

impl Default for Zoo {
    fn default() -> Self {
        Self::new()
    }
}

impl Zoo {
    /// With authorities of its own.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("temp dir");
        let root = Authority::root("Matrix Root");
        let between = root.intermediate("Matrix Intermediate");
        let other = Authority::root("Stranger Root");
        let zoo = Self {
            dir,
            root,
            between,
            other,
        };
        std::fs::write(zoo.trust(), &zoo.root.cert).expect("temp dir");
        std::fs::write(zoo.stranger(), &zoo.other.cert).expect("temp dir");
        let revoked = zoo.between.revocation_list(&[REVOKED]);
        std::fs::write(zoo.revoked(), revoked).expect("temp dir");
        zoo
    }

    /// For files of the tests.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The root of what is good, as a file.
    pub fn trust(&self) -> PathBuf {
        self.dir.path().join("root.pem")
    }

    /// The root of what is [`Fault::OtherCa`], as a file.
    pub fn stranger(&self) -> PathBuf {
        self.dir.path().join("stranger.pem")
    }

    /// The list of what the intermediate revoked, as a file.
    pub fn revoked(&self) -> PathBuf {
        self.dir.path().join("revoked.pem")
    }

    /// The root of what is good, PEM.
    pub fn root(&self) -> &str {
        &self.root.cert
    }

    /// A server's certificate with this fault; good for every name under [`DOMAIN`] but for the faults of names.
    pub fn server(&self, fault: Fault) -> Pair {
        self.write("server", fault, self.issue(fault, true))
    }

    /// A client's certificate with this fault.
    pub fn client(&self, fault: Fault) -> Pair {
        self.write("client", fault, self.issue(fault, false))
    }

    /// A good server's certificate with an RSA key.
    pub fn rsa_server(&self) -> Pair {
        let leaf = self.between.leaf("rsa").names(&[WILD]).for_servers().rsa();
        self.write("server-rsa", Fault::Good, leaf.issue())
    }

    /// A good server's certificate whose chain begins with the intermediate, and not with the leaf whose key it is.
    pub fn leaf_last(&self) -> Pair {
        let mut identity = self.issue(Fault::Good, true);
        let (leaf, rest) = identity.chain.split_at(identity.cert.len());
        identity.chain = format!("{rest}{leaf}");
        self.write("server-leaf-last", Fault::Disordered, identity)
    }

    fn issue(&self, fault: Fault, server: bool) -> Identity {
        let name = format!(
            "{} {}",
            if server { "server" } else { "client" },
            fault.name()
        );
        let (between_other, unnamed);
        let (low, top);
        let leaf = match fault {
            Fault::OtherCa => {
                between_other = self.other.intermediate("Stranger Intermediate");
                between_other.leaf(&name)
            }
            Fault::OtherCaLeafAlone => self.other.leaf(&name),
            Fault::IncompleteUnnamed => {
                unnamed = self.root.intermediate("Matrix 7");
                unnamed.leaf(&name)
            }
            Fault::SelfSigned => Leaf::self_signed(&name, true),
            Fault::Disordered => {
                top = self.root.intermediate("Matrix Upper");
                low = top.intermediate("Matrix Lower");
                low.leaf(&name)
            }
            Fault::CommonNameOnly => self.between.leaf(&format!("cn-only.{DOMAIN}")),
            _ => self.between.leaf(&name),
        };
        let leaf = match fault {
            Fault::WrongName if server => leaf.names(&["elsewhere.example"]),
            Fault::CommonNameOnly => leaf,
            _ if server => leaf.names(&[WILD]),
            _ => leaf,
        };
        let leaf = if server == (fault == Fault::WrongPurpose) {
            leaf.for_clients()
        } else {
            leaf.for_servers()
        };
        let leaf = match fault {
            Fault::Expired => leaf.expired(),
            Fault::NotYetValid => leaf.future(),
            Fault::Revoked => leaf.serial(REVOKED),
            _ => leaf,
        };
        let mut identity = leaf.issue();
        match fault {
            Fault::Incomplete | Fault::IncompleteUnnamed => {
                identity.chain.clone_from(&identity.cert);
            }
            Fault::Disordered => identity.chain = swap_issuers(&identity.chain),
            _ => {}
        }
        identity
    }

    fn write(&self, side: &str, fault: Fault, identity: Identity) -> Pair {
        let at = |what: &str| {
            self.dir
                .path()
                .join(format!("{side}-{}.{what}", fault.name()))
        };
        let above = identity
            .chain
            .strip_prefix(identity.cert.as_str())
            .filter(|above| !above.is_empty())
            .map(|above| {
                let file = at("above.pem");
                std::fs::write(&file, above).expect("temp dir");
                file
            });
        let pair = Pair {
            cert: at("chain.pem"),
            leaf: at("leaf.pem"),
            above,
            key: at("key.pem"),
            identity,
        };
        std::fs::write(&pair.cert, &pair.identity.chain).expect("temp dir");
        std::fs::write(&pair.leaf, &pair.identity.cert).expect("temp dir");
        std::fs::write(&pair.key, &pair.identity.key).expect("temp dir");
        pair
    }
}

/// The serial number of what is [`Fault::Revoked`].
const REVOKED: u64 = 0x0bad;

/// All names of one label under [`DOMAIN`].
const WILD: &str = "*.matrix.test";

/// Leaf, lower, upper becomes leaf, upper, lower.
fn swap_issuers(chain: &str) -> String {
    const BEGIN: &str = "-----BEGIN";
    let mut certs = chain
        .split(BEGIN)
        .filter(|part| !part.trim().is_empty())
        .map(|part| format!("{BEGIN}{part}"))
        .collect::<Vec<_>>();
    assert_eq!(certs.len(), 3, "a leaf and two intermediates");
    certs.swap(1, 2);
    certs.concat()
}
