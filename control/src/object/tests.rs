//! Tests across kinds: unknown members are refused at every level, and no value whatever makes a reader panic.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Kind, Object, ReadContext, read};
use crate::rejection::Refusal;
use crate::seal::Keyring;

/// A certificate for `a.test` and its key, made once for all tests.
pub(super) fn pair() -> (&'static str, &'static str) {
    static PAIR: LazyLock<(String, String)> = LazyLock::new(|| {
        let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    });
    (&PAIR.0, &PAIR.1)
}

/// An empty keyring, and an environment with `CERT`, `KEY` and the JSON `PAIR`.
pub(super) fn context() -> ReadContext<'static> {
    static KEYRING: LazyLock<Keyring> = LazyLock::new(Keyring::default);
    ReadContext {
        keyring: &KEYRING,
        env: &env,
    }
}

fn env(name: &str) -> Option<String> {
    let (cert, key) = pair();
    match name {
        "CERT" => Some(cert.to_owned()),
        "KEY" => Some(key.to_owned()),
        "PAIR" => Some(json!({"cert": cert, "key": key}).to_string()),
        _ => None,
    }
}

fn try_read(kind: Kind, value: &Value) -> Result<Object, Refusal> {
    read(kind, "1", &serde_json::to_vec(value).unwrap(), &context())
}

/// One object of each kind that has every object a reader goes into.
fn samples() -> [(Kind, Value); 4] {
    let (cert, key) = pair();
    let upstream = json!({
        "id": "u", "labels": {"a": "b"},
        "nodes": [{"host": "a.test", "port": 80, "weight": 1, "metadata": {"zone": "z"}}, {"host": "b.test", "weight": 0}],
        "timeout": {"connect": 1, "send": 1, "read": 1}, "keepalive_pool": {"size": 1},
        "tls": {"client_cert_id": "1", "verify": true}, "type": "chash", "key": "remote_addr", "retries": 1,
        "checks": {"active": {"healthy": {"successes": 1}, "unhealthy": {"timeouts": 1}, "req_headers": ["a: b"]},
                   "passive": {"healthy": {"successes": 1}, "unhealthy": {"timeouts": 1}}}
    });
    [
        (
            Kind::Ssl,
            json!({"snis": ["a.test", "*.b.test"], "cert": cert, "key": key, "labels": {"a": "b"}, "status": 1,
                   "client": {"ca": cert, "depth": 2, "skip_mtls_uri_regex": ["^/open"]}, "ssl_protocols": ["TLSv1.3"]}),
        ),
        (Kind::Upstream, upstream.clone()),
        (
            Kind::Service,
            json!({"hosts": ["a.test"], "upstream": upstream, "plugins": {"prometheus": {}}}),
        ),
        (
            Kind::Route,
            json!({"uris": ["/a", "/b/*"], "host": "*.a.test", "methods": ["GET"], "vars": [["arg_a", "==", "1"]],
                   "timeout": {"connect": 1, "send": 1, "read": 1}, "upstream": upstream, "service_id": 3,
                   "plugins": {"prometheus": {"prefer_name": false}}, "remote_addr": "10.0.0.0/8"}),
        ),
    ]
}

/// Paths of all objects inside `value`, as JSON pointers.
fn objects_in(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut inner = |name: &str, value| objects_in(value, &format!("{at}/{name}"), found);
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| inner(name, value));
            found.push(at.to_owned());
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, item)| inner(&index.to_string(), item)),
        _ => {}
    }
}

#[test]
fn unknown_members_are_refused_at_every_level() {
    let mut levels = 0;
    for (kind, sample) in samples() {
        try_read(kind, &sample).unwrap();
        let mut pointers = Vec::new();
        objects_in(&sample, "", &mut pointers);
        for pointer in pointers {
            let free = pointer.ends_with("/labels") || pointer.ends_with("/metadata");
            let mut changed = sample.clone();
            changed.pointer_mut(&pointer).unwrap()["zz_unknown"] = json!("x");
            match try_read(kind, &changed) {
                Ok(_) => assert!(free, "{kind:?} {pointer}"),
                Err(refusal) => {
                    assert!(
                        !free && refusal.field.ends_with("zz_unknown"),
                        "{kind:?} {pointer}: {}",
                        refusal.reason
                    );
                    levels += 1;
                }
            }
        }
    }
    assert!(levels > 40, "{levels}");
}

#[test]
fn null_is_no_value_for_any_member() {
    for (kind, sample) in samples() {
        for name in sample.as_object().unwrap().keys() {
            let mut changed = sample.clone();
            changed[name] = Value::Null;
            let refusal = try_read(kind, &changed).unwrap_err();
            assert!(
                refusal.field.starts_with(name.as_str()),
                "{kind:?} {name}: {}",
                refusal.reason
            );
        }
    }
}

#[test]
fn a_key_in_the_wrong_member_is_not_quoted() {
    let (cert, key) = pair();
    for (kind, value) in [
        (Kind::Ssl, json!({"sni": key, "cert": cert, "key": key})),
        (Kind::Route, json!({"uri": key, "upstream_id": 1})),
        (
            Kind::Route,
            json!({"uri": "/", "vars": [["uri", "~~", format!("({key}")]], "upstream_id": 1}),
        ),
        (Kind::Upstream, json!({"nodes": {key: 1}})),
    ] {
        let refusal = try_read(kind, &value).unwrap_err();
        assert!(
            !key.lines()
                .any(|line| refusal.reason.contains(line) || refusal.field.contains(line)),
            "{refusal:?}"
        );
    }
}

#[test]
fn a_value_that_is_not_json_says_where() {
    for kind in Kind::ALL {
        let refusal = read(kind, "1", b"{\n\"a\" 1}", &context()).unwrap_err();
        assert_eq!(refusal.field, "");
        assert!(
            refusal.reason.ends_with("at line 2 column 5"),
            "{}",
            refusal.reason
        );
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..3i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[\\PC\n\t*/.:$\\[\\]]{0,12}".prop_map(Value::from),
        prop_oneof![
            "\\$env://[A-Z/a-z]{0,6}",
            Just("a.test".to_owned()),
            Just("/a*b".to_owned()),
            Just("==".to_owned())
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let name = prop_oneof![any_name(), "[a-z]{1,6}"];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(name, inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn any_name() -> impl Strategy<Value = String> {
    proptest::sample::select(vec![
        "active",
        "ca",
        "cert",
        "certs",
        "checks",
        "ciphers",
        "client",
        "depth",
        "healthy",
        "host",
        "hosts",
        "http_statuses",
        "id",
        "key",
        "keys",
        "labels",
        "methods",
        "nodes",
        "passive",
        "plugins",
        "port",
        "remote_addr",
        "sni",
        "snis",
        "status",
        "timeout",
        "tls",
        "type",
        "upstream",
        "uri",
        "uris",
        "vars",
        "weight",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_value_makes_a_reader_panic(value in any_json()) {
        for kind in Kind::ALL {
            let _ = try_read(kind, &value);
        }
    }

    #[test]
    fn no_mutation_of_a_good_object_makes_a_reader_panic(
        kind in 0..4usize, place in any::<proptest::sample::Index>(), name in any_name(), value in any_json(),
    ) {
        let (kind, mut sample) = samples()[kind].clone();
        let mut pointers = Vec::new();
        objects_in(&sample, "", &mut pointers);
        let pointer = place.get(&pointers).clone();
        sample.pointer_mut(&pointer).unwrap()[&name] = value;
        if let Err(refusal) = try_read(kind, &sample) {
            prop_assert!(!refusal.reason.is_empty());
            prop_assert!(!refusal.reason.contains("PRIVATE KEY-----"));
        }
    }

    #[test]
    fn cut_texts_never_panic(kind in 0..4usize, cut in any::<proptest::sample::Index>()) {
        let (kind, sample) = samples()[kind].clone();
        let text = serde_json::to_vec(&sample).unwrap();
        let _ = read(kind, "1", &text[..cut.index(text.len())], &context());
    }

    #[test]
    fn what_is_read_does_not_depend_on_how_it_was_written(kind in 0..4usize) {
        let (kind, sample) = samples()[kind].clone();
        let pretty = format!("// an object\n{}", serde_json::to_string_pretty(&sample).unwrap()).replace("\\n", "\n");
        let one = try_read(kind, &sample).unwrap();
        let two = read(kind, "1", pretty.as_bytes(), &context()).unwrap();
        prop_assert_eq!(format!("{one:?}"), format!("{two:?}"));
    }
}
