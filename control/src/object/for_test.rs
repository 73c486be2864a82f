//! Objects made directly, for tests of what is built on them. Not part of the crate outside its tests.

use std::sync::Arc;

use super::{
    Balance, KeepalivePool, Material, Methods, PassHost, PathPattern, Protocols, Route, Scheme,
    Service, Ssl, Timeouts, Upstream, UpstreamTls, Usage,
};
use crate::object::HostPattern;

impl Ssl {
    pub(crate) fn for_test(id: &str, names: &[&str]) -> Self {
        Self {
            id: id.into(),
            usage: Usage::Server,
            names: names.iter().map(|name| (*name).into()).collect(),
            material: Vec::new(),
            client: None,
            protocols: Protocols::ALL,
            ciphers: Vec::new(),
            enabled: true,
            version: [0; 32],
        }
    }

    pub(crate) fn with_usage(self, usage: Usage) -> Self {
        Self { usage, ..self }
    }

    pub(crate) fn with_status(self, enabled: bool) -> Self {
        Self { enabled, ..self }
    }

    pub(crate) fn with_material(self, material: Arc<Material>) -> Self {
        Self {
            material: vec![material],
            ..self
        }
    }
}

impl Route {
    pub(crate) fn for_test(id: &str, hosts: &[&str], paths: &[&str]) -> Self {
        Self {
            id: id.into(),
            name: None,
            hosts: hosts.iter().map(|host| HostPattern::parse(host)).collect(),
            paths: paths.iter().map(|path| path_pattern(path)).collect(),
            methods: Methods::ANY,
            remote_addrs: Vec::new(),
            vars: None,
            priority: 0,
            timeouts: None,
            enabled: true,
            websocket: None,
            upstream: None,
            upstream_id: None,
            service_id: None,
            closed: false,
        }
    }

    pub(crate) fn with_methods(self, names: &[&str]) -> Self {
        let bit = |name: &&str| {
            Methods::NAMES
                .iter()
                .position(|n| n == name)
                .map_or(0, |at| 1 << at)
        };
        Self {
            methods: Methods(names.iter().map(bit).sum()),
            ..self
        }
    }

    pub(crate) fn with_remote(self, networks: &[&str]) -> Self {
        Self {
            remote_addrs: networks.iter().map(|net| net.parse().unwrap()).collect(),
            ..self
        }
    }

    pub(crate) fn with_priority(self, priority: i64) -> Self {
        Self { priority, ..self }
    }

    pub(crate) fn with_status(self, enabled: bool) -> Self {
        Self { enabled, ..self }
    }

    pub(crate) fn with_service(self, id: &str) -> Self {
        Self {
            service_id: Some(id.into()),
            ..self
        }
    }

    pub(crate) fn with_upstream_id(self, id: &str) -> Self {
        Self {
            upstream_id: Some(id.into()),
            ..self
        }
    }

    pub(crate) fn with_upstream(self, upstream: Upstream) -> Self {
        Self {
            upstream: Some(Arc::new(upstream)),
            ..self
        }
    }

    pub(crate) fn with_timeouts(self, timeouts: Timeouts) -> Self {
        Self {
            timeouts: Some(timeouts),
            ..self
        }
    }

    pub(crate) fn with_websocket(self, websocket: bool) -> Self {
        Self {
            websocket: Some(websocket),
            ..self
        }
    }

    pub(crate) fn closed(self) -> Self {
        Self {
            closed: true,
            ..self
        }
    }
}

impl Service {
    pub(crate) fn for_test(id: &str, hosts: &[&str]) -> Self {
        Self {
            id: id.into(),
            hosts: hosts.iter().map(|host| HostPattern::parse(host)).collect(),
            websocket: false,
            upstream: None,
            upstream_id: None,
        }
    }

    pub(crate) fn with_upstream_id(self, id: &str) -> Self {
        Self {
            upstream_id: Some(id.into()),
            ..self
        }
    }

    pub(crate) fn with_websocket(self, websocket: bool) -> Self {
        Self { websocket, ..self }
    }
}

impl Upstream {
    pub(crate) fn for_test(key: &str) -> Self {
        Self {
            key: key.into(),
            nodes: Vec::new(),
            balance: Balance::RoundRobin,
            scheme: Scheme::Http,
            pass_host: PassHost::Pass,
            retries: None,
            retry_timeout: None,
            timeouts: Timeouts::default(),
            keepalive: KeepalivePool::default(),
            tls: UpstreamTls::default(),
            checks: None,
        }
    }

    pub(crate) fn with_tls(self, tls: UpstreamTls) -> Self {
        Self { tls, ..self }
    }
}

fn path_pattern(text: &str) -> PathPattern {
    match text.find('*') {
        None => PathPattern::Exact(text.into()),
        Some(at) if at + 1 == text.len() => PathPattern::Prefix(text[..at].into()),
        Some(at) => {
            let parts: Vec<String> = text.split('*').map(regex::escape).collect();
            let regex = regex::Regex::new(&format!("^{}$", parts.join("(?s:.*)"))).unwrap();
            PathPattern::Glob {
                prefix: text[..at].into(),
                regex,
            }
        }
    }
}
