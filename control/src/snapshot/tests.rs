//! What a Snapshot answers, rule by rule; `model` compares it with a naive one over random histories.

mod model;

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::object::{ClientIdentity, Material, UpstreamTls, Usage};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

fn set_ssl(ssl: Ssl) -> Change {
    Change::Set(Kind::Ssl, ssl.id().clone(), Object::Ssl(Arc::new(ssl)))
}

fn set_route(route: Route) -> Change {
    Change::Set(
        Kind::Route,
        route.id().clone(),
        Object::Route(Arc::new(route)),
    )
}

fn set_service(service: Service) -> Change {
    Change::Set(
        Kind::Service,
        service.id().clone(),
        Object::Service(Arc::new(service)),
    )
}

fn set_upstream(id: &str) -> Change {
    let upstream = Upstream::for_test(&format!("upstreams/{id}"));
    Change::Set(
        Kind::Upstream,
        id.into(),
        Object::Upstream(Arc::new(upstream)),
    )
}

fn refuse(kind: Kind, id: &str, closes: Closes) -> Change {
    let rejection = Rejection {
        key: format!("{}/{id}", kind.dir()),
        revision: 9,
        field: "f".into(),
        reason: "r".into(),
    };
    Change::Refuse(kind, id.into(), rejection, closes)
}

fn refuse_names(id: &str, names: &[&str]) -> Change {
    refuse(
        Kind::Ssl,
        id,
        Closes::Names(names.iter().map(|n| (*n).to_owned()).collect()),
    )
}

fn refuse_route(route: Route) -> Change {
    let id = route.id().clone();
    refuse(Kind::Route, &id, Closes::Route(Arc::new(route.closed())))
}

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
        set_ssl(Ssl::for_test("any", &["*"])),
        set_ssl(Ssl::for_test("wild", &["*.a.com"])),
        set_ssl(Ssl::for_test("exact", &["x.a.com", "a.com"])),
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
    let first = set_ssl(Ssl::for_test("10", &["a.com", "b.com"]));
    let second = set_ssl(Ssl::for_test("2", &["a.com", "c.com"]));
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
        set_ssl(Ssl::for_test("any", &["*"])),
        set_ssl(Ssl::for_test("wild", &["*.a.com"])),
        refuse_names("bad", &["X.a.com.", "*.b.com"]),
        set_ssl(Ssl::for_test("z", &["ok.b.com"])),
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
        refuse_names("1", &["a.com"]),
        set_ssl(Ssl::for_test("2", &["a.com"])),
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
        set_ssl(Ssl::for_test("1", &["a.com"])),
        refuse_names("2", &["a.com"]),
    ]);
    assert_eq!(named(&s, "a.com"), "+1", "it would not have had this one");
}

#[test]
fn the_last_good_object_goes_on_serving() {
    let s = snapshot(vec![
        set_ssl(Ssl::for_test("1", &["a.com"])),
        set_route(Route::for_test("1", &[], &["/"])),
    ]);
    let s = s.apply(
        2,
        vec![
            refuse_names("1", &["b.com"]),
            refuse_route(Route::for_test("1", &[], &["/b"])),
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
            set_ssl(Ssl::for_test("1", &["c.com"])),
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
        set_ssl(Ssl::for_test("1", &["a.com"]).with_status(false)),
        set_ssl(Ssl::for_test("2", &["a.com"]).with_usage(Usage::Client)),
        set_route(Route::for_test("1", &[], &["/"]).with_status(false)),
    ]);
    assert_eq!(named(&s, "a.com"), "");
    assert_eq!(get(&s, "h", "/"), "");
    assert_eq!((s.count(Kind::Ssl), s.count(Kind::Route)), (2, 1));
}

#[test]
fn hosts_exact_then_longest_suffix_then_any() {
    let s = snapshot(vec![
        set_route(Route::for_test("any", &[], &["/*"])),
        set_route(Route::for_test("short", &["*.com"], &["/*"])),
        set_route(Route::for_test("long", &["*.foo.com"], &["/*"])),
        set_route(Route::for_test("bare", &["*bar.com"], &["/*"])),
        set_route(Route::for_test("exact", &["a.foo.com"], &["/only"])),
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
        set_route(Route::for_test("host", &["a.com"], &["/*"])),
        set_route(Route::for_test("path", &[], &["/server_port"]).with_priority(100)),
        set_route(Route::for_test("exact", &["b.com"], &["/foo"])),
        set_route(Route::for_test("prefix", &["b.com"], &["/foo*"]).with_priority(9)),
        set_route(Route::for_test("longer", &["b.com"], &["/foo/bar*"])),
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
        set_route(Route::for_test("slash", &[], &["/foo/*"])),
        set_route(Route::for_test("glob", &[], &["/a/*/b"])),
        set_route(Route::for_test("below", &[], &["/a/*"])),
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
        vec![set_route(
            Route::for_test("below", &[], &["/a/*"]).with_priority(1),
        )],
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
        set_route(Route::for_test("1", &[], &["/"]).with_methods(&["POST"])),
        set_route(Route::for_test("2", &[], &["/"]).with_remote(&["10.0.0.0/8"])),
        set_route(
            Route::for_test("3", &[], &["/"])
                .with_remote(&["192.0.2.0/24"])
                .with_priority(-1),
        ),
        set_route(Route::for_test("4", &[], &["/*"])),
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
        set_route(Route::for_test("all", &[], &["/*"])),
        refuse_route(Route::for_test("bad", &["a.com"], &["/admin*"])),
    ]);
    assert_eq!(get(&s, "a.com", "/admin/x"), "-bad");
    assert_eq!(get(&s, "a.com", "/x"), "+all");
    assert!(s.route_by_id("bad").is_some_and(|r| r.is_closed()) && s.count(Kind::Route) == 1);
    let s = s.apply(
        2,
        vec![set_route(Route::for_test("bad", &["a.com"], &["/admin*"]))],
    );
    assert_eq!(get(&s, "a.com", "/admin/x"), "+bad");
}

#[test]
fn routes_without_hosts_follow_their_service() {
    let s = snapshot(vec![
        set_route(Route::for_test("1", &[], &["/"]).with_service("s")),
        set_route(Route::for_test("2", &["own.com"], &["/"]).with_service("s")),
    ]);
    assert_eq!(
        get(&s, "x.com", "/"),
        "+1",
        "no service yet: any host, and plan() says what is missing"
    );
    let s = s.apply(2, vec![set_service(Service::for_test("s", &["a.com"]))]);
    assert_eq!(
        (
            get(&s, "a.com", "/").as_str(),
            get(&s, "x.com", "/").as_str()
        ),
        ("+1", "")
    );
    assert_eq!(get(&s, "own.com", "/"), "+2");
    let s = s.apply(3, vec![set_service(Service::for_test("s", &["b.com"]))]);
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
    let mut timeouts = Timeouts::default();
    timeouts.read *= 2;
    let s = snapshot(vec![
        set_upstream("u"),
        set_service(
            Service::for_test("s", &[])
                .with_upstream_id("u")
                .with_websocket(true),
        ),
        set_service(Service::for_test("empty", &[])),
    ]);
    let plan = |route: Route| {
        s.plan(&route)
            .map(|p| (p.upstream.key().to_string(), p.websocket, p.timeouts.read))
    };
    let own = || Route::for_test("1", &[], &["/"]).with_upstream(Upstream::for_test("routes/1"));
    let of_service = |id| Route::for_test("1", &[], &["/"]).with_service(id);
    let minute = Timeouts::default().read;
    assert_eq!(
        plan(of_service("s")),
        Ok(("upstreams/u".into(), true, minute))
    );
    assert_eq!(
        plan(own().with_service("s")),
        Ok(("routes/1".into(), true, minute))
    );
    let all_own = own()
        .with_service("s")
        .with_websocket(false)
        .with_timeouts(timeouts);
    assert_eq!(plan(all_own), Ok(("routes/1".into(), false, 2 * minute)));
    let text = |r: Result<_, MissingReference>| r.unwrap_err().to_string();
    assert_eq!(
        text(plan(own().with_service("no"))),
        "routes/1 refers to services/no, which does not exist"
    );
    assert_eq!(
        text(plan(of_service("empty"))),
        "routes/1 refers to an upstream, which neither it nor its service gives"
    );
    let by_id = |id| Route::for_test("1", &[], &["/"]).with_upstream_id(id);
    assert_eq!(plan(by_id("u")), Ok(("upstreams/u".into(), false, minute)));
    let s = s.apply(2, vec![refuse(Kind::Upstream, "bad", Closes::Nothing)]);
    let missing = s.plan(&by_id("bad")).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "routes/1 refers to upstreams/bad, which is rejected"
    );
}

#[test]
fn an_identity_is_an_enabled_client_object_or_nothing() {
    let upstream = |identity| {
        let tls = UpstreamTls {
            identity,
            ..UpstreamTls::default()
        };
        Upstream::for_test("upstreams/1").with_tls(tls)
    };
    let by_id = |id: &str| upstream(ClientIdentity::Ssl(id.into()));
    let s = snapshot(vec![
        set_ssl(Ssl::for_test("server", &["a.com"])),
        set_ssl(
            Ssl::for_test("off", &[])
                .with_usage(Usage::Client)
                .with_status(false),
        ),
        set_ssl(Ssl::for_test("empty", &[]).with_usage(Usage::Client)),
        refuse_names("bad", &[]),
    ]);
    let why = |id| s.identity(&by_id(id)).map(|_| ()).unwrap_err().why;
    assert_eq!(why("server"), "is not of type client");
    assert_eq!(why("off"), "is disabled");
    assert_eq!(why("empty"), "has no certificate");
    assert_eq!(why("bad"), "is rejected");
    assert_eq!(why("gone"), "does not exist");
    assert!(
        s.identity(&upstream(ClientIdentity::None))
            .unwrap()
            .is_none()
    );
}

#[test]
fn an_identity_comes_from_the_object_or_inline() {
    let key = rcgen::generate_simple_self_signed(["c".to_owned()]).unwrap();
    let Ok(material) = Material::from_pem(&key.cert.pem(), &key.signing_key.serialize_pem()) else {
        return;
    };
    let material = Arc::new(material);
    let ssl = Ssl::for_test("c", &[])
        .with_usage(Usage::Client)
        .with_material(material.clone());
    let s = snapshot(vec![set_ssl(ssl)]);
    for identity in [
        ClientIdentity::Ssl("c".into()),
        ClientIdentity::Inline(material.clone()),
    ] {
        let upstream = Upstream::for_test("upstreams/1").with_tls(UpstreamTls {
            identity,
            ..UpstreamTls::default()
        });
        assert!(
            s.identity(&upstream)
                .unwrap()
                .is_some_and(|found| Arc::ptr_eq(&found, &material))
        );
    }
}

#[test]
fn the_old_snapshot_stays_as_it_was() {
    let old = snapshot(vec![
        set_ssl(Ssl::for_test("1", &["a.com"])),
        set_route(Route::for_test("1", &[], &["/"])),
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
            vec![set_route(Route::for_test(
                &n.to_string(),
                &["h"],
                &[path, &format!("{path}/*")],
            ))],
        );
    }
    for (n, path) in paths.iter().enumerate() {
        assert_eq!(get(&s, "h", path), format!("+{n}"));
        assert_eq!(get(&s, "h", &format!("{path}/x")), format!("+{n}"));
    }
    for n in 0..100 {
        s = s.apply(2, vec![Change::Remove(Kind::Route, n.to_string().into())]);
        assert_eq!(get(&s, "h", &paths[n]), "");
    }
    assert_eq!(s.count(Kind::Route), 0);
}
