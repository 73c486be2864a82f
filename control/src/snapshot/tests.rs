//! What a Snapshot answers, rule by rule; `model` compares it with a naive one over random histories.

mod drafts;
mod model;
mod versions;

use std::net::{IpAddr, Ipv4Addr};

use serde_json::json;

use super::*;
use drafts::{Draft, route, service, ssl, upstream};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

fn snapshot(changes: Vec<Change>) -> Snapshot {
    Snapshot::default().apply(1, changes)
}

/// `+id` open, `-id` closed, `` unknown.
fn named(snapshot: &Snapshot, name: &str) -> String {
    match snapshot.tls_policy(name) {
        NameMatch::Open(ssl) => format!("+{}", ssl.id()),
        NameMatch::Closed(id) => format!("-{id}"),
        NameMatch::Unknown => String::new(),
    }
}

/// `+id` open, `-id` closed, `` none.
fn routed(snapshot: &Snapshot, method: &str, host: &str, path: &str) -> String {
    let none = |_: &str| None;
    match snapshot.route(&Ask {
        host,
        path,
        method,
        remote: CLIENT,
        var: &none,
    }) {
        RouteMatch::Found(route) if route.is_closed() => format!("-{}", route.id()),
        RouteMatch::Found(route) => format!("+{}", route.id()),
        RouteMatch::None => String::new(),
    }
}

fn get(snapshot: &Snapshot, host: &str, path: &str) -> String {
    routed(snapshot, "GET", host, path)
}

#[test]
fn names_exact_then_one_label_then_any() {
    let s = snapshot(vec![
        ssl("any", &["*"]).set(),
        ssl("wild", &["*.a.com"]).set(),
        ssl("exact", &["x.a.com", "a.com"]).set(),
    ]);
    assert_eq!(named(&s, "x.a.com"), "+exact");
    assert_eq!(named(&s, "y.a.com"), "+wild");
    assert_eq!(named(&s, "a.com"), "+exact");
    assert_eq!(
        named(&s, "x.y.a.com"),
        "+any",
        "a wildcard covers one label"
    );
    assert_eq!(named(&s, ".a.com"), "+any", "and that label is not empty");
    assert_eq!(named(&s, "localhost"), "+any");
    assert_eq!(named(&s, ""), "", "no name is nobody's");
}

#[test]
fn a_name_belongs_to_the_lowest_id_in_any_order() {
    let first = ssl("10", &["a.com", "b.com"]).set();
    let second = ssl("2", &["a.com", "c.com"]).set();
    let one = snapshot(vec![first.clone()]).apply(2, vec![second.clone()]);
    let other = snapshot(vec![second.clone()]).apply(2, vec![first.clone()]);
    for s in [&one, &other, &snapshot(vec![second, first])] {
        assert_eq!(named(s, "a.com"), "+10", "ids compare as text");
        assert_eq!(named(s, "c.com"), "+2", "the loser serves its other names");
        let reported: Vec<_> = s
            .rejections()
            .map(|r| (r.key.as_str(), r.field.as_str()))
            .collect();
        assert_eq!(reported, [("ssls/2", "sni")]);
        assert!(
            s.rejections()
                .all(|r| r.reason.contains("a.com belongs to ssls/10"))
        );
    }
    let s = one.apply(3, vec![Change::Remove(Kind::Ssl, "10".into())]);
    assert_eq!(named(&s, "a.com"), "+2", "the next takes over");
    assert_eq!(named(&s, "b.com"), "");
    assert_eq!(s.rejections().count(), 0);
}

#[test]
fn a_refused_object_shuts_its_names() {
    let s = snapshot(vec![
        ssl("any", &["*"]).set(),
        ssl("wild", &["*.a.com"]).set(),
        ssl("bad", &["X.a.com.", "*.b.com"]).refused(),
        ssl("z", &["ok.b.com"]).set(),
    ]);
    assert_eq!(named(&s, "x.a.com"), "-bad");
    assert_eq!(named(&s, "y.a.com"), "+wild");
    assert_eq!(named(&s, "q.b.com"), "-bad");
    assert_eq!(
        named(&s, "ok.b.com"),
        "+z",
        "a more specific name of another object is its own"
    );
    assert!(!s.holds(Kind::Ssl, "bad"));
    let s = s.apply(2, vec![Change::Remove(Kind::Ssl, "bad".into())]);
    assert_eq!(named(&s, "x.a.com"), "+wild");
    assert_eq!(named(&s, "q.b.com"), "+any");
    assert_eq!(s.rejections().count(), 0);
}

#[test]
fn a_refused_object_keeps_the_name_it_would_have_had() {
    let s = snapshot(vec![
        ssl("1", &["a.com"]).refused(),
        ssl("2", &["a.com"]).set(),
    ]);
    assert_eq!(
        named(&s, "a.com"),
        "-1",
        "the later id might ask for no client certificate"
    );
    assert!(
        s.rejections()
            .any(|r| r.key == "ssls/2" && r.reason.contains("is refused"))
    );
    let s = snapshot(vec![
        ssl("1", &["a.com"]).set(),
        ssl("2", &["a.com"]).refused(),
    ]);
    assert_eq!(named(&s, "a.com"), "+1", "it would not have had this one");
}

#[test]
fn the_last_good_object_goes_on_serving() {
    let s = snapshot(vec![
        ssl("1", &["a.com"]).set(),
        route("1", &[], &["/"]).set(),
    ]);
    let s = s.apply(
        2,
        vec![
            ssl("1", &["b.com"]).refused(),
            route("1", &[], &["/b"]).refused(),
        ],
    );
    assert_eq!(
        (named(&s, "a.com").as_str(), named(&s, "b.com").as_str()),
        ("+1", "")
    );
    assert_eq!(
        (get(&s, "h", "/").as_str(), get(&s, "h", "/b").as_str()),
        ("+1", "")
    );
    assert_eq!(s.rejections().count(), 2);
    let s = s.apply(
        3,
        vec![
            ssl("1", &["c.com"]).set(),
            Change::Remove(Kind::Route, "1".into()),
        ],
    );
    assert_eq!(
        (named(&s, "a.com").as_str(), named(&s, "c.com").as_str()),
        ("", "+1")
    );
    assert_eq!(get(&s, "h", "/"), "");
    assert_eq!(s.rejections().count(), 0);
}

#[test]
fn disabled_and_client_objects_answer_for_nothing() {
    let s = snapshot(vec![
        ssl("1", &["a.com"]).with("status", 0).set(),
        ssl("2", &["a.com"]).with("type", "client").set(),
        route("1", &[], &["/"]).with("status", 0).set(),
    ]);
    assert_eq!(named(&s, "a.com"), "");
    assert_eq!(get(&s, "h", "/"), "");
    assert_eq!((s.count(Kind::Ssl), s.count(Kind::Route)), (2, 1));
}

#[test]
fn hosts_exact_then_longest_suffix_then_any() {
    let s = snapshot(vec![
        route("any", &[], &["/*"]).set(),
        route("short", &["*.com"], &["/*"]).set(),
        route("long", &["*.foo.com"], &["/*"]).set(),
        route("bare", &["*bar.com"], &["/*"]).set(),
        route("exact", &["a.foo.com"], &["/only"]).set(),
    ]);
    assert_eq!(get(&s, "a.foo.com", "/only"), "+exact");
    assert_eq!(
        get(&s, "a.foo.com", "/else"),
        "+long",
        "nothing at the exact host: the next less specific"
    );
    assert_eq!(
        get(&s, "a.b.foo.com", "/"),
        "+long",
        "a suffix spans labels"
    );
    assert_eq!(get(&s, "foo.com", "/"), "+short");
    assert_eq!(get(&s, "xbar.com", "/"), "+bare");
    assert_eq!(get(&s, "bar.com", "/"), "+bare");
    assert_eq!(get(&s, "org", "/"), "+any");
    assert_eq!(get(&s, "", "/"), "+any");
    assert_eq!(get(&s, &".".repeat(5000), "/"), "+any");
}

#[test]
fn a_host_beats_a_path_and_a_path_beats_a_priority() {
    let s = snapshot(vec![
        route("host", &["a.com"], &["/*"]).set(),
        route("path", &[], &["/server_port"])
            .with("priority", 100)
            .set(),
        route("exact", &["b.com"], &["/foo"]).set(),
        route("prefix", &["b.com"], &["/foo*"])
            .with("priority", 9)
            .set(),
        route("longer", &["b.com"], &["/foo/bar*"]).set(),
    ]);
    assert_eq!(get(&s, "a.com", "/server_port"), "+host");
    assert_eq!(get(&s, "b.com", "/foo"), "+exact");
    assert_eq!(get(&s, "b.com", "/foox"), "+prefix");
    assert_eq!(get(&s, "b.com", "/foo/bar/x"), "+longer");
    assert_eq!(get(&s, "b.com", "/FOO"), "", "paths are case-sensitive");
}

#[test]
fn paths_as_apisix_reads_them() {
    let s = snapshot(vec![
        route("slash", &[], &["/foo/*"]).set(),
        route("glob", &[], &["/a/*/b"]).set(),
        route("below", &[], &["/a/*"]).set(),
    ]);
    assert_eq!(get(&s, "h", "/foo/"), "+slash");
    assert_eq!(get(&s, "h", "/foo"), "");
    assert_eq!(
        get(&s, "h", "/a/x/y/b"),
        "+glob",
        "a star in the middle spans slashes"
    );
    assert_eq!(
        get(&s, "h", "/a/x/b/c"),
        "+below",
        "and the whole path must fit"
    );
    let s = s.apply(
        2,
        vec![route("below", &[], &["/a/*"]).with("priority", 1).set()],
    );
    assert_eq!(
        get(&s, "h", "/a/x/b"),
        "+below",
        "one prefix: priority first"
    );
    assert_eq!(get(&s, "h", "/é"), "");
}

#[test]
fn the_first_candidate_whose_conditions_hold() {
    let s = snapshot(vec![
        route("1", &[], &["/"]).with("methods", ["POST"]).set(),
        route("2", &[], &["/"])
            .with("remote_addrs", ["10.0.0.0/8"])
            .set(),
        route("3", &[], &["/"])
            .with("remote_addrs", ["192.0.2.0/24"])
            .with("priority", -1)
            .set(),
        route("4", &[], &["/*"]).set(),
    ]);
    assert_eq!(routed(&s, "POST", "h", "/"), "+1");
    assert_eq!(get(&s, "h", "/"), "+3");
    let s = s.apply(2, vec![Change::Remove(Kind::Route, "3".into())]);
    assert_eq!(
        get(&s, "h", "/"),
        "+4",
        "no exact one takes it: the prefixes"
    );
    let none = |_: &str| None;
    let mapped = "::ffff:10.1.2.3".parse().unwrap();
    let ask = Ask {
        host: "h",
        path: "/",
        method: "GET",
        remote: mapped,
        var: &none,
    };
    assert!(matches!(s.route(&ask), RouteMatch::Found(route) if &**route.id() == "2"));
}

#[test]
fn a_closed_route_answers_where_it_would_have() {
    let s = snapshot(vec![
        route("all", &[], &["/*"]).set(),
        route("bad", &["a.com"], &["/admin*"]).refused(),
    ]);
    assert_eq!(get(&s, "a.com", "/admin/x"), "-bad");
    assert_eq!(get(&s, "a.com", "/x"), "+all");
    assert!(s.route_by_id("bad").is_some_and(|r| r.is_closed()) && s.count(Kind::Route) == 1);
    let s = s.apply(2, vec![route("bad", &["a.com"], &["/admin*"]).set()]);
    assert_eq!(get(&s, "a.com", "/admin/x"), "+bad");
}

#[test]
fn routes_without_hosts_follow_their_service() {
    let s = snapshot(vec![
        route("1", &[], &["/"]).with("service_id", "s").set(),
        route("2", &["own.com"], &["/"])
            .with("service_id", "s")
            .set(),
    ]);
    assert_eq!(
        get(&s, "x.com", "/"),
        "+1",
        "no service yet: any host, and plan() says what is missing"
    );
    let s = s.apply(2, vec![service("s", &["a.com"]).set()]);
    assert_eq!(
        (
            get(&s, "a.com", "/").as_str(),
            get(&s, "x.com", "/").as_str()
        ),
        ("+1", "")
    );
    assert_eq!(get(&s, "own.com", "/"), "+2");
    let s = s.apply(3, vec![service("s", &["b.com"]).set()]);
    assert_eq!(
        (
            get(&s, "a.com", "/").as_str(),
            get(&s, "b.com", "/").as_str()
        ),
        ("", "+1")
    );
    let s = s.apply(4, vec![Change::Remove(Kind::Service, "s".into())]);
    assert_eq!(get(&s, "zzz", "/"), "+1");
    let s = s.apply(5, vec![Change::Remove(Kind::Route, "1".into())]);
    assert_eq!(get(&s, "zzz", "/"), "");
    assert!(s.hosted.is_empty());
}

#[test]
fn a_plan_takes_the_routes_own_before_the_services() {
    let s = snapshot(vec![
        upstream("u").set(),
        service("s", &[])
            .with("upstream_id", "u")
            .with("enable_websocket", true)
            .set(),
        service("empty", &[]).set(),
    ]);
    let plan = |route: Draft| {
        s.plan(&route.route())
            .map(|p| (p.upstream.key().to_string(), p.websocket, p.timeouts.read))
    };
    let own = || {
        let inline = json!({"nodes": {"127.0.0.1:80": 1}});
        route("1", &[], &["/"])
            .with("upstream_id", ())
            .with("upstream", inline)
    };
    let of_service = |id| {
        route("1", &[], &["/"])
            .with("upstream_id", ())
            .with("service_id", id)
    };
    let minute = Timeouts::default().read;
    assert_eq!(
        plan(of_service("s")),
        Ok(("upstreams/u".into(), true, minute))
    );
    assert_eq!(
        plan(own().with("service_id", "s")),
        Ok(("routes/1".into(), true, minute))
    );
    let all_own = own()
        .with("service_id", "s")
        .with("enable_websocket", false)
        .with("timeout", json!({"connect": 1, "send": 1, "read": 120}));
    assert_eq!(plan(all_own), Ok(("routes/1".into(), false, 2 * minute)));
    let text = |r: Result<_, MissingReference>| r.unwrap_err().to_string();
    assert_eq!(
        text(plan(own().with("service_id", "no"))),
        "routes/1 refers to services/no, which does not exist"
    );
    assert_eq!(
        text(plan(of_service("empty"))),
        "routes/1 refers to an upstream, which neither it nor its service gives"
    );
    let by_id = |id| route("1", &[], &["/"]).with("upstream_id", id);
    assert_eq!(plan(by_id("u")), Ok(("upstreams/u".into(), false, minute)));
    let s = s.apply(2, vec![upstream("bad").refused()]);
    let missing = s.plan(&by_id("bad").route()).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "routes/1 refers to upstreams/bad, which is rejected"
    );
}

#[test]
fn an_identity_is_an_enabled_client_object_or_nothing() {
    let by_id = |id: &str| {
        upstream("1")
            .with("tls", json!({"client_cert_id": id}))
            .upstream()
    };
    let s = snapshot(vec![
        ssl("server", &["a.com"]).set(),
        ssl("off", &[])
            .with("type", "client")
            .with("status", 0)
            .set(),
        ssl("bad", &[]).with("type", "client").refused(),
        ssl("good", &[]).with("type", "client").set(),
    ]);
    let why = |id| s.identity(&by_id(id)).map(|_| ()).unwrap_err().why;
    assert_eq!(why("server"), "is not of type client");
    assert_eq!(why("off"), "is disabled");
    assert_eq!(why("bad"), "is rejected");
    assert_eq!(why("gone"), "does not exist");
    assert!(s.identity(&upstream("1").upstream()).unwrap().is_none());
    let own = &s.ssl("good").unwrap().material()[0];
    assert!(
        s.identity(&by_id("good"))
            .unwrap()
            .is_some_and(|found| Arc::ptr_eq(&found, own))
    );
}

#[test]
fn the_newest_change_is_not_the_stores_revision() {
    let s = Snapshot::default().apply(9, vec![upstream("1").set_at(4), upstream("2").set_at(3)]);
    assert_eq!((s.revision(), s.changed()), (9, 4));
    let s = s.apply(12, Vec::new());
    assert_eq!(s.changed(), 4, "somebody else's keys");
    let s = s.apply(14, vec![upstream("1").refused_at(13)]);
    assert_eq!(s.changed(), 13);
    let s = s.apply(15, vec![Change::Remove(Kind::Upstream, "1".into())]);
    assert_eq!(s.changed(), 15);
    assert_eq!(s.apply(5, Vec::new()).changed(), 5, "the store went back");
}

#[test]
fn the_old_snapshot_stays_as_it_was() {
    let old = snapshot(vec![
        ssl("1", &["a.com"]).set(),
        route("1", &[], &["/"]).set(),
    ]);
    let new = old.apply(
        2,
        vec![
            Change::Remove(Kind::Ssl, "1".into()),
            Change::Remove(Kind::Route, "1".into()),
        ],
    );
    assert_eq!((old.revision(), new.revision()), (1, 2));
    assert_eq!(
        (named(&old, "a.com").as_str(), get(&old, "h", "/").as_str()),
        ("+1", "+1")
    );
    assert_eq!(
        (named(&new, "a.com").as_str(), get(&new, "h", "/").as_str()),
        ("", "")
    );
}

#[test]
fn a_table_is_the_same_small_and_large() {
    let paths: Vec<String> = (0..100).map(|n| format!("/p{n}")).collect();
    let mut s = Snapshot::default();
    for (n, path) in paths.iter().enumerate() {
        s = s.apply(
            1,
            vec![route(&n.to_string(), &["h"], &[path, &format!("{path}/*")]).set()],
        );
    }
    for (n, path) in paths.iter().enumerate() {
        assert_eq!(get(&s, "h", path), format!("+{n}"));
        assert_eq!(get(&s, "h", &format!("{path}/x")), format!("+{n}"));
    }
    for (n, path) in paths.iter().enumerate() {
        s = s.apply(2, vec![Change::Remove(Kind::Route, n.to_string().into())]);
        assert_eq!(get(&s, "h", path), "");
    }
    assert_eq!(s.count(Kind::Route), 0);
}
