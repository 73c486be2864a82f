//! A real etcd for a test: started on free ports in a directory of its own, stopped by its process id at the end.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct Etcd {
    dir: tempfile::TempDir,
    data: PathBuf,
    client: u16,
    peer: u16,
    extra: Vec<String>,
    pki: Option<PathBuf>,
    child: Option<Child>,
}

impl Etcd {
    pub(crate) fn start(extra: &[&str]) -> Self {
        Self::with(extra.iter().map(ToString::to_string).collect(), None)
    }

    /// With what [`make_pki`] put into `pki`; clients need a certificate.
    pub(crate) fn start_tls(pki: &Path) -> Self {
        let file = |name: &str| pki.join(name).to_str().unwrap().to_owned();
        let (ca, cert, key) = (file("ca.crt"), file("server.crt"), file("server.key"));
        let flags = [
            "--client-cert-auth",
            "--trusted-ca-file",
            &ca,
            "--cert-file",
            &cert,
            "--key-file",
            &key,
        ];
        Self::with(
            flags.iter().map(ToString::to_string).collect(),
            Some(pki.to_owned()),
        )
    }

    fn with(extra: Vec<String>, pki: Option<PathBuf>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let mut etcd = Self {
            dir,
            data,
            client: free_port(),
            peer: free_port(),
            extra,
            pki,
            child: None,
        };
        etcd.run_again();
        etcd
    }

    /// Starts the process on the data there is.
    pub(crate) fn run_again(&mut self) {
        let scheme = if self.pki.is_some() { "https" } else { "http" };
        let client = format!("{scheme}://127.0.0.1:{}", self.client);
        let log = std::fs::File::create(self.dir.path().join("log")).unwrap();
        let child = Command::new("etcd")
            .args([
                "--name",
                "n",
                "--data-dir",
                self.data.to_str().unwrap(),
                "--log-level",
                "error",
            ])
            .args([
                "--listen-client-urls",
                &client,
                "--advertise-client-urls",
                &client,
            ])
            .args([
                "--listen-peer-urls",
                &self.peer_url(),
                "--initial-advertise-peer-urls",
                &self.peer_url(),
            ])
            .args(["--initial-cluster", &format!("n={}", self.peer_url())])
            .args(&self.extra)
            .env("ETCD_UNSUPPORTED_ARCH", std::env::consts::ARCH)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("etcd is installed");
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", self.client)).is_err() {
            assert!(Instant::now() < deadline, "etcd does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.client)
    }

    fn peer_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.peer)
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    pub(crate) fn ctl(&self, arguments: &[&str]) {
        let output = self.etcdctl().args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// `etcdctl txn`: compares, a blank line, puts, a blank line, else.
    pub(crate) fn txn(&self, script: &str) {
        let mut child = self
            .etcdctl()
            .arg("txn")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(script.as_bytes())
            .unwrap();
        assert!(child.wait().unwrap().success());
    }

    fn etcdctl(&self) -> Command {
        let mut command = Command::new("etcdctl");
        command
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &self.endpoint()]);
        command
    }

    /// Replaces the data of a killed etcd by what `snapshot save` wrote.
    pub(crate) fn restore(&mut self, backup: &Path) {
        self.data = self.dir.path().join("restored");
        let output = Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .args([
                "snapshot",
                "restore",
                backup.to_str().unwrap(),
                "--name",
                "n",
            ])
            .args(["--data-dir", self.data.to_str().unwrap()])
            .args(["--initial-cluster", &format!("n={}", self.peer_url())])
            .args(["--initial-advertise-peer-urls", &self.peer_url()])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A CA, a server's and a client's certificate; gives the CA's PEM and the client's chain and key.
pub(crate) fn make_pki(dir: &Path) -> (Vec<u8>, (Vec<u8>, Vec<u8>)) {
    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    };
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    std::fs::write(dir.join("ca.crt"), &ca_pem).unwrap();
    let issue = |names: &[&str], usage| {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>())
                .unwrap();
        params.extended_key_usages = vec![usage];
        (
            params.signed_by(&key, &issuer).unwrap().pem(),
            key.serialize_pem(),
        )
    };
    let (cert, key) = issue(
        &["127.0.0.1", "localhost"],
        ExtendedKeyUsagePurpose::ServerAuth,
    );
    std::fs::write(dir.join("server.crt"), cert).unwrap();
    std::fs::write(dir.join("server.key"), key).unwrap();
    let (cert, key) = issue(&["node"], ExtendedKeyUsagePurpose::ClientAuth);
    (ca_pem.into_bytes(), (cert.into_bytes(), key.into_bytes()))
}
