//! What each cause means, what to do about it and the command that shows it: the one table of that. Capital words in
//! commands (HOST, PORT, NAME) are the reader's to fill in. Data and a look-up.

use crate::alert::Cause;

/// What to do about a cause.
#[derive(Clone, Copy, Debug)]
pub struct Advice {
    /// What the cause is: a clause without a full stop.
    pub means: &'static str,
    /// What to do; ends in a colon if a command follows.
    pub mend: &'static str,
    /// The command that shows it.
    pub command: Option<&'static str>,
}

const fn advice(means: &'static str, mend: &'static str, command: &'static str) -> Advice {
    Advice {
        means,
        mend,
        command: Some(command),
    }
}

const fn no_command(means: &'static str, mend: &'static str) -> Advice {
    Advice {
        means,
        mend,
        command: None,
    }
}

const UNKNOWN: Advice = advice(
    "several explanations are left",
    "Record a handshake and look at the last message before the failure:",
    "tcpdump -i any -s 0 -w tls.pcap host ADDRESS and port PORT",
);

/// What to do about `cause`.
pub fn on(cause: Cause) -> &'static Advice {
    ROWS.iter()
        .find(|(row, _)| *row == cause)
        .map_or(&UNKNOWN, |(_, advice)| advice)
}

const ROWS: &[(Cause, Advice)] = &[
    (
        Cause::ProtocolVersionMismatch,
        advice(
            "the two sides have no TLS version in common",
            "Bring the older side to TLS 1.2 or 1.3; only if that cannot be, allow the older version at the other side. Find out which versions are spoken:",
            "openssl s_client -connect HOST:PORT -servername NAME -tls1_2 </dev/null",
        ),
    ),
    (
        Cause::NoSharedCipher,
        advice(
            "the two sides have no cipher suite in common",
            "Compare what both sides allow; remember that a suite with ECDSA needs an ECDSA key at the server. Find out which suites the server takes:",
            "openssl s_client -connect HOST:PORT -servername NAME -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256 </dev/null",
        ),
    ),
    (
        Cause::NoSharedGroup,
        advice(
            "the two sides have no key exchange group in common",
            "Allow X25519 or P-256 at both sides. Try one group at a time:",
            "openssl s_client -connect HOST:PORT -servername NAME -groups P-256 </dev/null",
        ),
    ),
    (
        Cause::NoSharedSignatureScheme,
        advice(
            "the two sides have no signature scheme in common that fits the certificate's key",
            "Use a key of 2048-bit RSA or P-256 with SHA-256, and let the older side take those. See what the server signs with:",
            "openssl s_client -connect HOST:PORT -servername NAME </dev/null | grep -i signature",
        ),
    ),
    (
        Cause::NoSharedAlpn,
        advice(
            "the two sides have no application protocol in common",
            "Let both sides speak http/1.1 or h2; gRPC needs h2. See what the server chooses:",
            "openssl s_client -connect HOST:PORT -servername NAME -alpn h2,http/1.1 </dev/null | grep ALPN",
        ),
    ),
    (
        Cause::SniMissing,
        advice(
            "the client sent no server name and one is needed",
            "Connect by name instead of address, and switch SNI on (Sallyport: tls.sni of the upstream; nginx: proxy_ssl_server_name on; Java: jsse.enableSNIExtension). Compare with the same command and -servername NAME:",
            "openssl s_client -connect HOST:PORT -noservername </dev/null",
        ),
    ),
    (
        Cause::SniUnknown,
        advice(
            "the server has nothing for the name that was asked for",
            "Add the name at the server (Sallyport and APISIX: snis of an ssl object), or ask for the right one. Compare the answer for two names:",
            "openssl s_client -connect HOST:PORT -servername NAME </dev/null",
        ),
    ),
    (
        Cause::SniHostMismatch,
        advice(
            "the Host of the request belongs to another TLS policy than the connection",
            "Open a connection of its own for each name that asks for client certificates, with the same name in SNI and Host:",
            "curl -v --connect-to NAME:443:HOST:PORT https://NAME/",
        ),
    ),
    (
        Cause::ClientCertMissing,
        advice(
            "a client certificate was required and none was sent",
            "Set certificate and key at the client (Sallyport: tls.client_cert and tls.client_key of the upstream) and see that its issuer is among the CAs that the server names:",
            "openssl s_client -connect HOST:PORT -servername NAME -cert client.pem -key client.key </dev/null | grep -A9 'Acceptable client'",
        ),
    ),
    (
        Cause::ClientCertExpired,
        advice(
            "the client's certificate has expired",
            "Put a new certificate with its chain at the client; check the server's clock if the dates look right:",
            "openssl x509 -in client.pem -noout -subject -dates",
        ),
    ),
    (
        Cause::ClientCertNotYetValid,
        advice(
            "the client's certificate is not valid yet",
            "Check both clocks; issue the certificate with an earlier start, or wait:",
            "openssl x509 -in client.pem -noout -subject -dates; date -u",
        ),
    ),
    (
        Cause::ClientCertUntrustedCa,
        advice(
            "the client's certificate leads to no CA that the server trusts",
            "Add the CA that issued it to the server's client CAs (Sallyport and APISIX: client.ca), or use a certificate of a CA that is there:",
            "openssl verify -purpose sslclient -CAfile client-ca.pem -untrusted intermediates.pem client.pem",
        ),
    ),
    (
        Cause::ClientCertChainIncomplete,
        advice(
            "the client sends its certificate without the intermediate",
            "Append the intermediates to the client's certificate file, leaf first:",
            "openssl verify -purpose sslclient -CAfile root.pem -untrusted intermediates.pem client.pem",
        ),
    ),
    (
        Cause::ClientCertWrongPurpose,
        advice(
            "the client's certificate is not for client authentication",
            "Issue it again with clientAuth in the extended key usage:",
            "openssl x509 -in client.pem -noout -ext extendedKeyUsage,keyUsage",
        ),
    ),
    (
        Cause::ClientCertRevoked,
        advice(
            "the client's certificate is revoked",
            "Issue a new one with a new key:",
            "openssl verify -crl_check -CAfile ca.pem -CRLfile crl.pem client.pem",
        ),
    ),
    (
        Cause::ClientCertRejectedByPeer,
        advice(
            "the server refused the client certificate that it was shown",
            "The server's log has the reason. Check dates, issuer and purpose of what is sent:",
            "openssl x509 -in client.pem -noout -subject -issuer -dates -ext extendedKeyUsage",
        ),
    ),
    (
        Cause::ServerCertExpired,
        advice(
            "the server's certificate has expired",
            "Put a new certificate with its chain at the server; check the client's clock if the dates look right:",
            "openssl s_client -connect HOST:PORT -servername NAME </dev/null | openssl x509 -noout -subject -dates",
        ),
    ),
    (
        Cause::ServerCertNotYetValid,
        advice(
            "the server's certificate is not valid yet",
            "Check both clocks; issue the certificate with an earlier start, or wait:",
            "openssl s_client -connect HOST:PORT -servername NAME </dev/null | openssl x509 -noout -subject -dates; date -u",
        ),
    ),
    (
        Cause::ServerCertUntrustedCa,
        advice(
            "the server's certificate leads to no CA that the client trusts",
            "Add the root CA to the client's trust store (Sallyport: tls.ca_certs of the upstream; curl: --cacert). Look who issued the chain; a company's proxy may stand between:",
            "openssl s_client -connect HOST:PORT -servername NAME -showcerts -CAfile root.pem </dev/null",
        ),
    ),
    (
        Cause::ServerCertSelfSigned,
        advice(
            "the server's certificate is signed by itself and not trusted",
            "Use a certificate of a CA, or give the client this very certificate to trust:",
            "openssl s_client -connect HOST:PORT -servername NAME </dev/null | openssl x509 -noout -subject -issuer",
        ),
    ),
    (
        Cause::ServerCertChainIncomplete,
        advice(
            "the server does not send the intermediate certificates",
            "Append the intermediates to the server's certificate file, leaf first, root left out. See what is sent:",
            "openssl s_client -connect HOST:PORT -servername NAME -showcerts </dev/null | grep -E ' s:| i:|Verify return'",
        ),
    ),
    (
        Cause::ServerCertChainDisordered,
        advice(
            "the server sends its chain in the wrong order",
            "Put the leaf first and each issuer after what it signed. See the order:",
            "openssl s_client -connect HOST:PORT -servername NAME -showcerts </dev/null | grep -E ' s:| i:'",
        ),
    ),
    (
        Cause::ServerCertHostnameMismatch,
        advice(
            "the server's certificate is for other names",
            "Ask for a name that is in the certificate, or issue it with this name as a SAN; a common name alone is not enough:",
            "openssl s_client -connect HOST:PORT -servername NAME </dev/null | openssl x509 -noout -subject -ext subjectAltName",
        ),
    ),
    (
        Cause::ServerCertWrongPurpose,
        advice(
            "the server's certificate is not for server authentication",
            "Issue it again with serverAuth in the extended key usage:",
            "openssl s_client -connect HOST:PORT -servername NAME </dev/null | openssl x509 -noout -ext extendedKeyUsage,keyUsage",
        ),
    ),
    (
        Cause::ServerCertRevoked,
        advice(
            "the server's certificate is revoked",
            "Issue a new one with a new key. Ask for the stapled answer:",
            "openssl s_client -connect HOST:PORT -servername NAME -status </dev/null | grep -i -A9 'ocsp response'",
        ),
    ),
    (
        Cause::ServerCertRejectedByPeer,
        advice(
            "the client refused the server certificate that it was shown",
            "The client's log has the reason. Check names, dates, issuer, purpose and key of what is served:",
            "openssl s_client -connect HOST:PORT -servername NAME </dev/null | openssl x509 -noout -text",
        ),
    ),
    (
        Cause::KeyCertMismatch,
        advice(
            "private key and certificate do not belong together",
            "Put the key that the certificate was made for beside it; the leaf must be the first certificate of the file. The two must print the same:",
            "openssl x509 -in cert.pem -noout -pubkey | sha256sum; openssl pkey -in key.pem -pubout | sha256sum",
        ),
    ),
    (
        Cause::PlaintextToTlsPort,
        advice(
            "plain text was sent to a port that speaks TLS",
            "Use https, or the plain port. A load balancer in front must pass TLS through or speak it itself:",
            "curl -v https://HOST:PORT/",
        ),
    ),
    (
        Cause::TlsToPlaintextPort,
        advice(
            "TLS was sent to a port that speaks plain text",
            "Use the TLS port, or http. See whether the port answers in clear:",
            "curl -v http://HOST:PORT/",
        ),
    ),
    (
        Cause::ProxyProtocolMismatch,
        advice(
            "a PROXY protocol header came where none is expected, or was missing",
            "Switch the PROXY protocol on at both ends or at neither. Send one by hand to compare:",
            "curl -v --haproxy-protocol https://HOST:PORT/",
        ),
    ),
    (
        Cause::PeerNotTls,
        advice(
            "what answers does not speak TLS",
            "Check port and scheme: the answer may be plain HTTP, SSH, SMTP before STARTTLS, or a proxy's error page. See its first bytes:",
            "curl -v --http0.9 http://HOST:PORT/",
        ),
    ),
    (
        Cause::PeerClosedDuringHandshake,
        advice(
            "the peer closed the connection before the handshake was done",
            "Look at the peer's log at that second; try older versions, no name and a small hello, since firewalls and load balancers close so:",
            "openssl s_client -connect HOST:PORT -servername NAME -tls1_2 </dev/null",
        ),
    ),
    (
        Cause::PeerResetDuringHandshake,
        advice(
            "the peer, or something between, reset the connection",
            "Look for a firewall that filters by name or address: compare with -noservername, and from another machine:",
            "openssl s_client -connect HOST:PORT -servername NAME </dev/null",
        ),
    ),
    (
        Cause::HandshakeTimeout,
        advice(
            "the handshake was not done in time",
            "A firewall that drops, a service that waits for plain text first, or a large hello that is lost (MTU). Try a small hello:",
            "openssl s_client -connect HOST:PORT -servername NAME -groups X25519 -tls1_2 </dev/null",
        ),
    ),
    (
        Cause::TcpConnectFailed,
        advice(
            "there was no TCP connection to begin with",
            "Check address, port and firewall; TLS was not reached:",
            "nc -vz HOST PORT",
        ),
    ),
    (
        Cause::ConfigMissingMaterial,
        advice(
            "the configuration lacks a certificate, key or CA that is needed",
            "Check that the file, alias or object exists, can be read and holds PEM of the right kind:",
            "openssl x509 -in cert.pem -noout -subject -enddate; openssl pkey -in key.pem -noout",
        ),
    ),
    (
        Cause::FallbackRejected,
        advice(
            "a retry with a lower version was refused",
            "Switch the client's downgrade retry off and look at its first failure instead:",
            "openssl s_client -connect HOST:PORT -servername NAME </dev/null",
        ),
    ),
    (
        Cause::ProbeNoData,
        no_command(
            "somebody connected and went away without a byte",
            "No fault: a health check or a port scan. Let the check ask /status/ready instead if the log is too full.",
        ),
    ),
    (
        Cause::InternalError,
        no_command(
            "a fault inside one of the programs",
            "Read the log of the side that raised it at that second, under the same request id or address.",
        ),
    ),
    (Cause::Unknown, UNKNOWN),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_advice_of_its_own() {
        for cause in Cause::ALL {
            let rows = ROWS.iter().filter(|(row, _)| *row == cause).count();
            assert_eq!(rows, 1, "{}", cause.as_str());
            let advice = on(cause);
            assert!(!advice.means.ends_with('.'), "{}", cause.as_str());
            let end = if advice.command.is_some() { ':' } else { '.' };
            assert!(advice.mend.ends_with(end), "{}", cause.as_str());
        }
    }
}
