//! ClientHellos as bytes, for what no TLS library will send: old versions, oversized and slow ones; and alerts as bytes.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use rustls_pki_types::ServerName;

/// A record's head and content.
fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, 3, 1];
    out.extend_from_slice(
        &u16::try_from(content.len())
            .expect("one record")
            .to_be_bytes(),
    );
    out.extend_from_slice(content);
    out
}

/// Handshake message of type ClientHello around a body.
fn handshake(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len())
        .expect("three bytes")
        .to_be_bytes();
    let mut out = vec![1, length[1], length[2], length[3]];
    out.extend_from_slice(body);
    out
}

fn body(version: u16, name: &str, padding: usize, suites: &[u16]) -> Vec<u8> {
    let mut out = version.to_be_bytes().to_vec();
    out.extend_from_slice(&[7; 32]);
    out.push(0);
    out.extend_from_slice(&length_16(suites.len() * 2));
    suites
        .iter()
        .for_each(|suite| out.extend_from_slice(&suite.to_be_bytes()));
    out.extend_from_slice(&[1, 0]);
    let mut extensions = server_name(name);
    if padding > 0 {
        extensions.extend_from_slice(&21u16.to_be_bytes());
        extensions.extend_from_slice(&length_16(padding));
        extensions.resize(extensions.len() + padding, 0);
    }
    out.extend_from_slice(&length_16(extensions.len()));
    out.extend_from_slice(&extensions);
    out
}

fn length_16(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("two bytes").to_be_bytes()
}

fn server_name(name: &str) -> Vec<u8> {
    let mut out = vec![0, 0];
    out.extend_from_slice(&length_16(name.len() + 5));
    out.extend_from_slice(&length_16(name.len() + 3));
    out.push(0);
    out.extend_from_slice(&length_16(name.len()));
    out.extend_from_slice(name.as_bytes());
    out
}

/// A hello that offers at most TLS 1.1 (0x0302) or older.
pub fn old_version(version: u16, name: &str) -> Vec<u8> {
    record(22, &handshake(&body(version, name, 0, &[0x002f, 0xc013])))
}

/// A TLS 1.2 hello that carries TLS_FALLBACK_SCSV.
pub fn fallback(name: &str) -> Vec<u8> {
    record(
        22,
        &handshake(&body(0x0303, name, 0, &[0xc02f, 0xc02b, 0x5600])),
    )
}

/// A hello that announces `size` bytes and sends so many records of 16 KiB of it.
pub fn oversized(size: usize, records: usize) -> Vec<u8> {
    let length = u32::try_from(size).expect("three bytes").to_be_bytes();
    let mut out = Vec::new();
    for index in 0..records {
        let mut content = vec![0; 16 << 10];
        if index == 0 {
            content[..4].copy_from_slice(&[1, length[1], length[2], length[3]]);
        }
        out.extend_from_slice(&record(22, &content));
    }
    out
}

/// A genuine hello of rustls for this name.
pub fn genuine(name: &str) -> Vec<u8> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of the provider")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).expect("a server name");
    let mut connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut bytes = Vec::new();
    connection
        .write_tls(&mut bytes)
        .expect("a vector takes all");
    bytes
}

/// Level and number of a plaintext alert record at the start of `bytes`.
pub fn alert(bytes: &[u8]) -> Option<(u8, u8)> {
    match bytes {
        [21, 3, _, 0, 2, level, number, ..] => Some((*level, *number)),
        _ => None,
    }
}
