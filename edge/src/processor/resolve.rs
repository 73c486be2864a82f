//! Names to addresses: `/etc/hosts` and DNS through the system's configuration, cached for their TTL, old answers used
//! for a while when the DNS server fails. Look-ups run on the cold runtime; a data-plane thread only waits for one.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::name_server::TokioConnectionProvider;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long after its TTL an answer is still used if the DNS server does not answer.
const STALE: Duration = Duration::from_secs(30);
/// How long a fresh answer is waited for while an old one is at hand: a server that is silent must not cost a request
/// its time to connect.
const PATIENCE: Duration = Duration::from_millis(500);
/// Bounds of the time an answer is kept, whatever its TTL.
const KEEP: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// See the module.
pub(super) struct Resolver {
    cold: Handle,
    dns: Arc<OnceLock<TokioResolver>>,
    known: Arc<DashMap<Box<str>, Known>>,
}

#[derive(Clone)]
struct Known {
    addresses: Arc<[IpAddr]>,
    until: Instant,
}

/// A name that leads nowhere, or no answer about it.
#[derive(Debug, thiserror::Error)]
#[error("{host} cannot be resolved: {why}")]
pub(super) struct Unresolved {
    host: String,
    why: String,
}

impl Resolver {
    pub(super) fn new(cold: Handle) -> Self {
        Self {
            cold,
            dns: Arc::default(),
            known: Arc::default(),
        }
    }

    /// Addresses of `host`, at least one, in the order to try: IPv4 first, a random one of each family leading.
    pub(super) async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Unresolved> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let known = self.known.get(host).map(|k| k.clone());
        if let Some(k) = known.as_ref().filter(|k| Instant::now() < k.until) {
            return Ok(in_order(&k.addresses));
        }
        let old = known.filter(|k| k.until.elapsed() < STALE);
        let asked = match &old {
            // The look-up itself goes on; its answer serves those who come later.
            Some(_) => timeout(PATIENCE, self.ask(host))
                .await
                .unwrap_or_else(|_| Err(Asked::Silent("no answer yet".into()))),
            None => self.ask(host).await,
        };
        match asked {
            Ok(fresh) => Ok(in_order(&fresh.addresses)),
            Err(Asked::Silent(why)) => {
                old.map(|k| in_order(&k.addresses))
                    .ok_or_else(|| Unresolved {
                        host: host.to_owned(),
                        why,
                    })
            }
            Err(Asked::Nothing(why)) => Err(Unresolved {
                host: host.to_owned(),
                why,
            }),
        }
    }

    async fn ask(&self, host: &str) -> Result<Known, Asked> {
        let (dns, known, name) = (self.dns.clone(), self.known.clone(), host.to_owned());
        let task = self.cold.spawn(async move {
            let found = dns
                .get_or_init(system_resolver)
                .lookup_ip(name.as_str())
                .await;
            let found = found.map_err(|e| {
                if e.is_no_records_found() {
                    Asked::Nothing(e.to_string())
                } else {
                    Asked::Silent(e.to_string())
                }
            })?;
            let addresses: Arc<[IpAddr]> = found.iter().collect();
            if addresses.is_empty() {
                return Err(Asked::Nothing("no address".into()));
            }
            let now = Instant::now();
            let until = found.valid_until().clamp(now + KEEP.0, now + KEEP.1);
            let fresh = Known { addresses, until };
            known.insert(name.into(), fresh.clone());
            Ok(fresh)
        });
        task.await
            .unwrap_or_else(|e| Err(Asked::Silent(e.to_string())))
    }
}

/// Why asking gave nothing.
enum Asked {
    /// There is no such name or address.
    Nothing(String),
    /// Nobody could say.
    Silent(String),
}

fn system_resolver() -> TokioResolver {
    let provider = TokioConnectionProvider::default();
    // Without a system configuration `/etc/hosts` still works; public servers of somebody's choice are not asked.
    let mut builder = TokioResolver::builder(provider.clone())
        .unwrap_or_else(|_| TokioResolver::builder_with_config(ResolverConfig::new(), provider));
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build()
}

fn in_order(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut ordered: Vec<IpAddr> = addresses.iter().copied().filter(IpAddr::is_ipv4).collect();
    let v4 = ordered.len();
    ordered.extend(addresses.iter().copied().filter(IpAddr::is_ipv6));
    for family in [0..v4, v4..ordered.len()] {
        if family.len() > 1 {
            let by = fastrand::usize(..family.len());
            ordered[family].rotate_left(by);
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use hickory_resolver::config::NameServerConfigGroup;

    use super::*;

    #[tokio::test]
    async fn literals_and_localhost_need_no_server() {
        let resolver = Resolver::new(Handle::current());
        assert_eq!(
            resolver.resolve("127.0.0.9").await.unwrap(),
            ["127.0.0.9".parse::<IpAddr>().unwrap()]
        );
        assert_eq!(
            resolver.resolve("::1").await.unwrap(),
            ["::1".parse::<IpAddr>().unwrap()]
        );
        for _ in 0..2 {
            assert_eq!(
                resolver.resolve("localhost").await.unwrap()[0],
                "127.0.0.1".parse::<IpAddr>().unwrap()
            );
        }
    }

    #[tokio::test]
    async fn old_answers_outlive_a_silent_server_for_a_while() {
        let resolver = Resolver::new(Handle::current());
        let _ = resolver.dns.set(
            TokioResolver::builder_with_config(
                ResolverConfig::new(),
                TokioConnectionProvider::default(),
            )
            .build(),
        );
        let address: IpAddr = "127.0.0.7".parse().unwrap();
        let known = Known {
            addresses: Arc::from([address]),
            until: Instant::now(),
        };
        resolver.known.insert("a.example".into(), known);
        assert_eq!(resolver.resolve("a.example").await.unwrap(), [address]);
        assert!(resolver.resolve("b.example").await.is_err());
    }

    #[tokio::test]
    async fn a_server_that_never_answers_does_not_hold_up_who_has_an_old_answer() {
        let deaf = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = deaf.local_addr().unwrap();
        let servers = NameServerConfigGroup::from_ips_clear(&[server.ip()], server.port(), true);
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let resolver = Resolver::new(Handle::current());
        let _ = resolver.dns.set(
            TokioResolver::builder_with_config(config, TokioConnectionProvider::default()).build(),
        );
        let address: IpAddr = "127.0.0.7".parse().unwrap();
        let known = Known {
            addresses: Arc::from([address]),
            until: Instant::now(),
        };
        resolver.known.insert("a.example".into(), known);
        let resolved = timeout(Duration::from_secs(3), resolver.resolve("a.example")).await;
        assert_eq!(resolved.unwrap().unwrap(), [address]);
    }

    #[test]
    fn both_families_are_kept_and_ipv4_leads() {
        let all: Vec<IpAddr> = ["::1", "10.0.0.1", "::2", "10.0.0.2"]
            .map(|a| a.parse().unwrap())
            .to_vec();
        let ordered = in_order(&all);
        assert!(ordered[0].is_ipv4() && ordered[1].is_ipv4() && ordered[3].is_ipv6());
        assert!(all.iter().all(|a| ordered.contains(a)));
    }
}
