//! `apply`, `get`, `diff`, `delete`, `validate` and `status` against an Admin API in this process: exit codes, and
//! what is in the store afterwards.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test stops at the first surprise.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use arc_swap::ArcSwap;
use clap::{Args, FromArgMatches};
use control::admin::{self, AdminKeys, AdminState, Secret, StoreStatus};
use control::membership::Member;
use control::seal::{Keyring, Sealer};
use control::snapshot::Snapshot;
use control::store::{EmbeddedStore, Expect, Store};
use edge::cli::{objects, status, validate};

const KEY: &str = "admin-key-of-the-test";

fn a_node() -> Member {
    Member {
        id: "edge-1".to_owned(),
        roles: vec!["router".to_owned()],
        ..Member::default()
    }
}

struct Setup {
    runtime: tokio::runtime::Runtime,
    store: Arc<Store>,
    url: String,
    dir: tempfile::TempDir,
}

impl Setup {
    fn new() -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let sealer = Sealer::for_dir(dir.path(), &Keyring::default()).unwrap();
        let store = Arc::new(Store::Embedded(
            EmbeddedStore::open(dir.path(), &sealer).unwrap(),
        ));
        let state = AdminState {
            store: Arc::clone(&store),
            prefix: "/apisix".to_owned(),
            keys: AdminKeys {
                admin: Secret::new(KEY),
                viewer: None,
            },
            keyring: Keyring::default(),
            snapshot: Arc::new(ArcSwap::from_pointee(Snapshot::default())),
            status: Arc::new(StoreStatus::default),
            members: tokio::sync::watch::channel([Arc::new(a_node())].into()).1,
            certificates: Arc::new(control::certificate::inventory::NodeCertificates::default),
        };
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(admin::serve(
            listener,
            admin::router(state),
            std::future::pending(),
        ));
        Self {
            runtime,
            store,
            url,
            dir,
        }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// `args` with the address and key of the server, parsed as the command line would.
    fn args<A: Args + FromArgMatches>(&self, args: &[&str]) -> A {
        parse(&[args, &["--admin", &self.url, "--key", KEY]].concat())
    }

    fn keys(&self) -> Vec<String> {
        let listing = self.runtime.block_on(self.store.list()).unwrap();
        listing.entries.into_iter().map(|e| e.key).collect()
    }
}

fn parse<A: Args + FromArgMatches>(args: &[&str]) -> A {
    let command = A::augment_args(clap::Command::new("test").no_binary_name(true));
    A::from_arg_matches(&command.try_get_matches_from(args).unwrap()).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[track_caller]
fn is(code: ExitCode, expected: u8) {
    assert_eq!(
        format!("{code:?}"),
        format!("{:?}", ExitCode::from(expected))
    );
}

const SET: &str = "
kind: route
id: 1
uri: /a
upstream_id: u
---
kind: upstream
id: u
nodes:
  127.0.0.1:1980: 1
";

#[test]
fn apply_diff_get_and_delete() {
    let setup = Setup::new();
    let file = setup.file("set.yaml", SET);
    let set = ["-f", text(&file)];
    is(objects::run_diff(&setup.args(&set)).unwrap(), 1);
    is(objects::run_apply(&setup.args(&set)).unwrap(), 0);
    assert_eq!(setup.keys(), ["routes/1", "upstreams/u"]);
    is(objects::run_diff(&setup.args(&set)).unwrap(), 0);
    is(objects::run_get(&setup.args(&["route", "1"])).unwrap(), 0);
    is(objects::run_get(&setup.args(&["upstreams"])).unwrap(), 0);
    is(objects::run_get(&setup.args(&["route", "2"])).unwrap(), 1);
    is(
        objects::run_delete(&setup.args(&["upstream", "u"])).unwrap(),
        1,
    );
    is(
        objects::run_delete(&setup.args(&["upstream", "u", "--force"])).unwrap(),
        0,
    );
    is(status::run(&setup.args(&[])).unwrap(), 0);
    assert_eq!(setup.keys(), ["routes/1"]);
}

#[test]
fn nothing_is_applied_if_anything_is_wrong() {
    let setup = Setup::new();
    let unknown_field = format!("{SET}---\nkind: upstream\nid: v\nnodes: {{}}\nnosuch: 1\n");
    let missing_reference = format!("{SET}---\nkind: route\nid: 2\nuri: /b\nupstream_id: w\n");
    let cases = [
        ("a.yaml", unknown_field.as_str(), 1),
        ("b.yaml", &missing_reference, 1),
        ("c.yaml", "kind: x\nid: 1\n", 2),
    ];
    for (name, set, expected) in cases {
        let file = setup.file(name, set);
        is(
            objects::run_apply(&setup.args(&["-f", text(&file)])).unwrap(),
            expected,
        );
        assert!(setup.keys().is_empty(), "{name}");
    }
    let file = setup.file("set.yaml", SET);
    let wrong_key = [
        "-f",
        text(&file),
        "--admin",
        &setup.url,
        "--key",
        "another-key-altogether",
    ];
    is(objects::run_apply(&parse(&wrong_key)).unwrap(), 1);
    let no_key = [
        "-f",
        text(&file),
        "--admin",
        &setup.url,
        "--key-file",
        "/nonexistent/admin.key",
    ];
    is(objects::run_apply(&parse(&no_key)).unwrap(), 2);
    is(
        status::run(&parse(&["--admin", "https://127.0.0.1:1", "--key", KEY])).unwrap(),
        2,
    );
    is(
        status::run(&parse(&["--admin", "http://127.0.0.1:1", "--key", KEY])).unwrap(),
        1,
    );
    assert!(setup.keys().is_empty());
}

#[test]
fn a_reference_to_what_is_already_stored_is_fine() {
    let setup = Setup::new();
    let upstream = r#"{"nodes":{"127.0.0.1:1980":1}}"#;
    let put = setup
        .store
        .put("upstreams/u", upstream.into(), Expect::Any, None);
    setup.runtime.block_on(put).unwrap();
    let bare = "{\n// bare, as in the guides\n\"uri\": \"/a\", \"upstream_id\": \"u\"}";
    let file = setup.file("route.json", bare);
    let args = ["-f", text(&file), "--kind", "route", "--id", "7"];
    is(objects::run_apply(&setup.args(&args)).unwrap(), 0);
    assert_eq!(setup.keys(), ["routes/7", "upstreams/u"]);
}

#[test]
fn validate_needs_no_server() {
    let dir = tempfile::tempdir().unwrap();
    for (name, set, expected) in [
        ("good.yaml", SET, 0),
        (
            "bad.yaml",
            "kind: upstream\nid: v\nnodes: {}\nnosuch: 1\n",
            1,
        ),
        ("torn.json", "{\"routes\": [", 2),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, set).unwrap();
        is(
            validate::run(&parse(&["-f", text(&path)])).unwrap(),
            expected,
        );
    }
}
