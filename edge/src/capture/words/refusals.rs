//! Words for what went wrong before any certificate: no connection, another protocol, no version, cipher suite, group or name in
//! common.

use super::super::conversation::Conversation;
use super::super::evidence::{texts, versions};
use super::super::flows::Party;
use super::{Words, listed, s_client};
use crate::alert::Cause;
use crate::handshake::{ClientHello, Foreign, TLS13, names};

pub(super) fn words(one: &Conversation, cause: Cause) -> Option<Words> {
    let hello = one.evidence.hello.as_ref();
    Some(match cause {
        Cause::TcpConnectFailed => Words::new(
            Party::Server,
            "",
            format!(
                "See that a server listens at {} and that no firewall is in between.",
                one.server
            ),
        ),
        Cause::HandshakeTimeout => timeout(one),
        Cause::PlaintextToTlsPort => Words::new(
            Party::Client,
            format!("The client sent plain HTTP to {}, which is a port for TLS.", one.server),
            "Use https:// in the client's URL, or the port for plain HTTP.",
        ),
        Cause::ProxyProtocolMismatch => Words::new(
            Party::Client,
            "The connection begins with a PROXY protocol header, which the server does not expect.",
            "Switch it off in the load balancer before the server, or let the server accept it.",
        ),
        Cause::PeerNotTls => Words::new(
            Party::Server,
            other_protocol(one),
            "Use the server's port for TLS, or speak plain text to this one.",
        ),
        Cause::ProtocolVersionMismatch => version(one, hello),
        Cause::NoSharedCipher => cipher(one, hello?),
        Cause::NoSharedGroup => group(hello?),
        Cause::NoSharedAlpn => Words::new(
            Party::Client,
            format!("The client offers the ALPN protocols {}.", texts(&hello?.alpn).join(", ")),
            "Let the server have one of them (h2, http/1.1), or the client offer what the server has.",
        ),
        Cause::SniMissing => Words::new(
            Party::Client,
            "The ClientHello has no server name, and the server needs one to choose its certificate.",
            format!(
                "Let the client send the host's name as SNI: use a name and not an address in its URL; in Java see that \
                 jsse.enableSNIExtension is not false. Whether that is it: openssl s_client -connect {0} -noservername \
                 fails, and openssl s_client -connect {0} -servername HOST does not.",
                one.server
            ),
        ),
        Cause::SniUnknown => Words::new(
            Party::Server,
            format!("The client asked for {}, and the server has nothing for that name.", name(hello)),
            "Give the server a certificate and a virtual host of that name, or let the client use one it has.",
        )
        .verified_by(s_client(one)),
        Cause::FallbackRejected => Words::new(
            Party::Client,
            "The client came with a lower version than it can (TLS_FALLBACK_SCSV), and the server has a higher one.",
            "The client tried again with a lower version after a failure: find that one in the capture, a moment before.",
        ),
        _ => return None,
    })
}

fn name(hello: Option<&ClientHello>) -> &str {
    hello
        .and_then(|hello| hello.sni.as_deref())
        .unwrap_or("no name")
}

fn timeout(one: &Conversation) -> Words {
    let owner = one.ended_by.unwrap_or(Party::Server);
    let fix = match owner {
        Party::Server => {
            "Look for a firewall that drops the client's hello, for a server that waits for plain text, and for one that is \
             overloaded. If only large hellos go unanswered, something in between does not take a hello in two packets: try \
             without X25519MLKEM768."
        }
        Party::Client => {
            "Look for what holds the client up, or drops packets on their way to it: large ones, if the path MTU is wrong."
        }
    };
    Words::new(owner, "", fix)
}

fn other_protocol(one: &Conversation) -> String {
    let what = match &one.evidence.foreign {
        Some(Foreign::HttpAnswer(Some(status))) => format!("plain HTTP, status {status}"),
        Some(Foreign::HttpAnswer(None)) => "plain HTTP".to_owned(),
        Some(Foreign::PlainHttpRefused) => "plain HTTP, complaining of plain HTTP".to_owned(),
        Some(Foreign::Ssh) => "SSH".to_owned(),
        Some(Foreign::Greeting(number)) => format!("a greeting as of SMTP or FTP ({number})"),
        Some(Foreign::Mysql) => "MySQL".to_owned(),
        Some(Foreign::Markup) => "HTML or XML".to_owned(),
        Some(Foreign::Sslv2) => "SSLv2".to_owned(),
        Some(Foreign::Other(bytes, count)) => {
            let bytes = bytes.get(..usize::from(*count)).unwrap_or_default();
            format!("something that begins with \"{}\"", bytes.escape_ascii())
        }
        Some(Foreign::HttpRequest) => "an HTTP request".to_owned(),
        Some(Foreign::Proxy(_)) => "a PROXY header".to_owned(),
        None => "something else".to_owned(),
    };
    format!("It speaks {what}.")
}

fn version(one: &Conversation, hello: Option<&ClientHello>) -> Words {
    let Some(hello) = hello else {
        return Words::new(
            Party::Client,
            "The client begins with an SSLv2 hello.",
            "Bring the client up to TLSv1.2 or later.",
        );
    };
    let offered = versions(hello);
    let best = offered.last().copied().unwrap_or(0);
    let (owner, fix) = if best < 0x0303 {
        (
            Party::Client,
            "Bring the client up to TLSv1.2 or later: Java 8, OpenSSL 1.0.1, .NET 4.6 and what came after have it.",
        )
    } else if offered == [TLS13] {
        (
            Party::Client,
            "Let the client offer TLSv1.2 too, or the server take TLSv1.3.",
        )
    } else {
        (
            Party::Server,
            "Bring the server up to TLSv1.2 or later. Which versions it has: sallyport diagnose says.",
        )
    };
    let detail = match hello.supported_versions {
        Some(_) => format!("The client offers {}.", listed(&offered, names::version)),
        None => format!("The client offers {} at most.", names::version(best)),
    };
    Words::new(owner, detail, fix).verified_by(s_client(one))
}

fn cipher(one: &Conversation, hello: &ClientHello) -> Words {
    let version = match one.evidence.alerts.is_empty() {
        true => "",
        false => " The version is not the reason, or the alert would be protocol_version (70).",
    };
    let name = match &hello.sni {
        Some(name) => format!(" It did send a server name ({name})."),
        None => " It sent no server name, which can be the reason as well.".to_owned(),
    };
    let suites = listed(&hello.cipher_suites, names::suite);
    let groups = match hello.groups.is_empty() {
        true => String::new(),
        false => format!(
            " Its groups are {}: some servers say the same where none of these is theirs.",
            listed(&hello.groups, names::group)
        ),
    };
    let mut fix = "Let the client offer a suite that the server has, such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: update it, or \
                   lift a limit in its configuration (old Java: the unlimited-strength policy files)."
        .to_owned();
    if !hello.cipher_suites.iter().any(|suite| ecdsa(*suite)) {
        fix.push_str(
            " A server with an ECDSA certificate needs an ECDSA suite, of which this client offers none: give that server an \
             RSA certificate beside it.",
        );
    }
    Words::new(
        Party::Client,
        format!("The client offers {suites}.{groups}{name}{version}"),
        fix,
    )
    .verified_by(s_client(one))
}

fn group(hello: &ClientHello) -> Words {
    Words::new(
        Party::Client,
        format!(
            "The client offers the groups {}.",
            listed(&hello.groups, names::group)
        ),
        "Let client and server have a group in common: secp256r1 and x25519 are what everybody has.",
    )
}

/// The suite works with an ECDSA certificate.
fn ecdsa(suite: u16) -> bool {
    suite >> 8 == 0x13 || names::suite(suite).contains("_ECDSA_")
}
