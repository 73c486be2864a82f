//! The very compose.yaml that users run, brought up by tests/compose/run.sh under a name of its own. Gone when dropped.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::node::binary;
use crate::process::Said;

/// Base images are made from Debian's packages where there are none, and then three etcd have to find each other.
const LONG: Duration = Duration::from_secs(600);
/// What run.sh says where there is no Docker engine.
const NO_ENGINE: i32 = 77;

/// A running project.
pub struct Compose {
    project: String,
}

/// A container as it is now.
#[derive(Clone, Debug)]
pub struct Container {
    /// Id.
    pub id: String,
    /// `processor`, `etcd1`, ...
    pub service: String,
    /// In the network `cluster`; reachable from this machine.
    pub address: IpAddr,
    /// Of its first process.
    pub pid: u64,
    /// Ports published on this machine: the container's own to the machine's.
    pub ports: Vec<(u16, SocketAddr)>,
    /// What `docker inspect` says.
    pub facts: Value,
}

impl Compose {
    /// Everything up and healthy; `None` (and a message) where there is no Docker engine.
    pub async fn up() -> Option<Self> {
        let compose = Self {
            project: format!("sallyport-test-{}", std::process::id()),
        };
        let program = binary().display().to_string();
        let said = compose
            .script(&["up", &compose.project, &program], &[])
            .await;
        if said.code == NO_ENGINE {
            println!("skipped: {}", said.stderr.trim());
            return None;
        }
        assert_eq!(said.code, 0, "up: {}", said.text());
        Some(compose)
    }

    /// The project's name, which its images' tags begin with.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// Runs tests/compose/run.sh.
    pub async fn script(&self, args: &[&str], env: &[(&str, &str)]) -> Said {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(root.join("compose/run.sh"));
        command
            .args(args)
            .envs(env.iter().copied())
            .kill_on_drop(true);
        said(command).await
    }

    /// `docker compose ARGS` for this project; must succeed.
    pub async fn compose(&self, args: &[&str]) -> String {
        let all = [&["compose", &self.project][..], args].concat();
        let said = self.script(&all, &[]).await;
        assert_eq!(said.code, 0, "compose {args:?}: {}", said.text());
        said.stdout
    }

    /// The running containers of a service, in the order of their numbers.
    pub async fn containers(&self, service: &str) -> Vec<Container> {
        let project = format!("label=com.docker.compose.project={}", self.project);
        let service_label = format!("label=com.docker.compose.service={service}");
        let listing = ["ps", "-q", "--filter", &project, "--filter", &service_label];
        let facts: Vec<Value> = loop {
            let ids = docker(&listing).await;
            let ids: Vec<&str> = ids.split_whitespace().collect();
            if ids.is_empty() {
                return Vec::new();
            }
            let args = [&["inspect"][..], &ids].concat();
            let inspected = try_docker(&args).await;
            // One may be removed between the two commands; the next listing does not have it.
            if inspected.code == 0 {
                break serde_json::from_str(&inspected.stdout).expect("docker inspect prints JSON");
            }
            let text = inspected.text().to_ascii_lowercase();
            assert!(text.contains("no such object"), "docker {args:?}: {text}");
        };
        let mut found: Vec<Container> = facts
            .into_iter()
            .filter_map(|facts| self.container(service, facts))
            .collect();
        found.sort_by_key(|c| {
            let number = &c.facts["Config"]["Labels"]["com.docker.compose.container-number"];
            number.as_str().and_then(|n| n.parse::<u32>().ok())
        });
        found
    }

    /// The only container of a service.
    pub async fn one(&self, service: &str) -> Container {
        let found = self.containers(service).await;
        assert_eq!(found.len(), 1, "{service}: {found:?}");
        found.into_iter().next().expect("just counted")
    }

    fn container(&self, service: &str, facts: Value) -> Option<Container> {
        let network = format!("{}_cluster", self.project);
        let address = &facts["NetworkSettings"]["Networks"][network.as_str()]["IPAddress"];
        let address = address.as_str()?.parse().ok()?;
        let mut ports = Vec::new();
        if let Some(published) = facts["NetworkSettings"]["Ports"].as_object() {
            for (own, bound) in published {
                let own = own.split('/').next().and_then(|port| port.parse().ok());
                let at = format!(
                    "{}:{}",
                    bound[0]["HostIp"].as_str().unwrap_or_default(),
                    bound[0]["HostPort"].as_str().unwrap_or_default()
                );
                ports.extend(own.zip(at.parse().ok()));
            }
        }
        Some(Container {
            id: facts["Id"].as_str()?.to_owned(),
            service: service.to_owned(),
            address,
            pid: facts["State"]["Pid"].as_u64()?,
            ports,
            facts,
        })
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let down = std::process::Command::new(root.join("compose/run.sh"))
            .args(["down", &self.project])
            .output();
        match down {
            Ok(Output { status, .. }) if status.success() => {}
            other => println!("the project {} was not removed: {other:?}", self.project),
        }
    }
}

impl Container {
    /// Whether its health check says that it is ready.
    pub fn is_healthy(&self) -> bool {
        self.facts["State"]["Health"]["Status"] == "healthy"
    }

    /// `docker ARGS... ID`; must succeed.
    pub async fn docker(&self, args: &[&str]) {
        docker(&[args, &[self.id.as_str()]].concat()).await;
    }

    /// Cuts it off from `other`, both ways, with no word to either side.
    pub async fn cut_off(&self, other: &Self) {
        for chain in ["INPUT", "OUTPUT"] {
            self.rule("-A", chain, other).await;
        }
    }

    /// Undoes [`Self::cut_off`].
    pub async fn rejoin(&self, other: &Self) {
        for chain in ["INPUT", "OUTPUT"] {
            self.rule("-D", chain, other).await;
        }
    }

    /// A rule in its network namespace, with this machine's iptables.
    async fn rule(&self, what: &str, chain: &str, other: &Self) {
        let (pid, address) = (self.pid.to_string(), other.address.to_string());
        let end = if chain == "INPUT" { "-s" } else { "-d" };
        let mut command = Command::new("nsenter");
        command.args(["-t", &pid, "-n", "iptables", "-w", what, chain]);
        command.args([end, &address, "-j", "DROP"]);
        let said = said(command).await;
        assert_eq!(said.code, 0, "iptables: {}", said.text());
    }
}

async fn try_docker(args: &[&str]) -> Said {
    let mut command = Command::new("docker");
    command.args(args);
    said(command).await
}

async fn docker(args: &[&str]) -> String {
    let said = try_docker(args).await;
    assert_eq!(said.code, 0, "docker {args:?}: {}", said.text());
    said.stdout
}

async fn said(mut command: Command) -> Said {
    command.stdin(std::process::Stdio::null());
    match tokio::time::timeout(LONG, command.output()).await {
        Ok(Ok(output)) => output.into(),
        Ok(Err(error)) => panic!("cannot run {command:?}: {error}"),
        Err(_) => panic!("{command:?} did not end in {LONG:?}"),
    }
}
