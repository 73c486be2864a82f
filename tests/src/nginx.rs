//! A real nginx as a TLS target that can demand client certificates.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::etcd::free_port;
use crate::pki::{Authority, Identity};
use crate::process::Process;
use crate::wait::eventually;

/// What kind of nginx.
pub struct Nginx<'a> {
    /// Its certificate.
    pub identity: &'a Identity,
    /// Whose client certificates it demands, if any.
    pub clients: Option<&'a Authority>,
    /// `ssl_protocols`.
    pub protocols: &'a str,
}

/// A running nginx.
pub struct NginxTarget {
    /// Kept alive for its end on drop.
    _process: Process,
    _dir: TempDir,
    port: u16,
}

impl Nginx<'_> {
    /// Starts it. It answers 200 with what it saw of the client, one `name=value` a line.
    pub async fn start(&self) -> NginxTarget {
        let dir = tempfile::tempdir().expect("temp dir");
        for _ in 0..5 {
            let port = free_port();
            std::fs::write(dir.path().join("nginx.conf"), self.conf(dir.path(), port))
                .expect("temp dir");
            let mut command = Command::new("nginx");
            command
                .arg("-p")
                .arg(dir.path())
                .arg("-c")
                .arg(dir.path().join("nginx.conf"));
            let mut process = Process::start(command);
            let up = eventually(
                "nginx accepts connections or ends",
                Duration::from_secs(20),
                || {
                    let ended = process.ended().is_some();
                    async move {
                        if ended {
                            return Ok(false);
                        }
                        let connected = TcpStream::connect(("127.0.0.1", port)).await;
                        connected.map(|_| true).map_err(|error| error.to_string())
                    }
                },
            )
            .await;
            if up {
                return NginxTarget {
                    _process: process,
                    _dir: dir,
                    port,
                };
            }
            assert!(
                process.tail().contains("in use"),
                "nginx: {}",
                process.tail()
            );
        }
        panic!("nginx did not start in five attempts");
    }

    fn conf(&self, dir: &Path, port: u16) -> String {
        self.identity.write(dir, "server");
        let clients = self.clients.map_or_else(String::new, |authority| {
            std::fs::write(dir.join("clients.crt"), &authority.cert).expect("temp dir");
            format!(
                "ssl_verify_client on; ssl_verify_depth 3; ssl_client_certificate {}/clients.crt;",
                dir.display()
            )
        });
        let dir = dir.display();
        let protocols = self.protocols;
        format!(
            "daemon off; master_process off; worker_processes 1; pid {dir}/pid; error_log stderr info;\n\
             events {{ worker_connections 512; }}\n\
             http {{ access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;\n\
             uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;\n\
             server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {dir}/server.crt; ssl_certificate_key {dir}/server.key;\n\
             ssl_protocols {protocols}; {clients}\n\
             location / {{ default_type text/plain; return 200 \"subject=$ssl_client_s_dn\\nsni=$ssl_server_name\\n\
             host=$host\\nverify=$ssl_client_verify\\nprotocol=$ssl_protocol\\nconnection=$connection\\n\"; }} }} }}\n"
        )
    }
}

impl NginxTarget {
    /// `host:port`.
    pub fn node(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}
