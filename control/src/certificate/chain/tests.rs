//! Shapes of chains, made of real certificates.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::super::pki::{Party, ca, named, root};
use super::{ChainShape, MOST_CERTIFICATES, judge};
use crate::certificate::CertInfo;

struct Zoo {
    root: Party,
    sub: Party,
    issuing: Party,
    leaf: Party,
}

fn zoo() -> Zoo {
    let root = root(ca("Root"));
    let sub = root.issue(ca("Sub"));
    let issuing = sub.issue(ca("Issuing"));
    let leaf = issuing.issue(named("leaf.test"));
    Zoo {
        root,
        sub,
        issuing,
        leaf,
    }
}

fn shape(chain: &[&Party]) -> ChainShape {
    let infos: Vec<CertInfo> = chain.iter().map(|party| party.info()).collect();
    judge(&infos)
}

#[test]
fn chains_of_one_path() {
    let z = zoo();
    let (root, sub, issuing, leaf) = (&z.root, &z.sub, &z.issuing, &z.leaf);
    for (chain, path, ordered, missing) in [
        (vec![leaf, issuing, sub, root], vec![0, 1, 2, 3], true, None),
        (
            vec![leaf, issuing, sub],
            vec![0, 1, 2],
            true,
            Some("CN=Root"),
        ),
        (vec![leaf, issuing], vec![0, 1], true, Some("CN=Sub")),
        (vec![leaf], vec![0], true, Some("CN=Issuing")),
        (
            vec![leaf, sub, issuing],
            vec![0, 2, 1],
            false,
            Some("CN=Root"),
        ),
        (
            vec![leaf, root, sub, issuing],
            vec![0, 3, 2, 1],
            false,
            None,
        ),
        // The leaf comes last.
        (
            vec![issuing, sub, leaf],
            vec![2, 0, 1],
            false,
            Some("CN=Root"),
        ),
        (
            vec![root, sub, issuing, leaf],
            vec![3, 2, 1, 0],
            false,
            None,
        ),
        // A gap: what is above it is of no use.
        (vec![root], vec![0], true, None),
        (vec![issuing, sub], vec![0, 1], true, Some("CN=Root")),
    ] {
        let shape = shape(&chain);
        assert_eq!((&shape.path, shape.ordered), (&path, ordered), "{shape:?}");
        assert_eq!(shape.missing_issuer.as_deref(), missing, "{shape:?}");
        assert_eq!(shape.root_included, missing.is_none(), "{shape:?}");
        assert!(
            shape.extra.is_empty() && shape.duplicates.is_empty(),
            "{shape:?}"
        );
        assert_eq!(shape.is_bare_leaf(), chain.len() == 1 && missing.is_some());
    }
    assert_eq!(
        judge(&[]),
        ChainShape {
            ordered: true,
            ..ChainShape::default()
        }
    );
}

#[test]
fn what_a_path_does_not_need() {
    let z = zoo();
    let stranger = root(ca("Stranger"));
    let found = shape(&[&z.leaf, &z.leaf, &stranger, &z.issuing, &z.sub, &z.issuing]);
    assert_eq!(found.path, [0, 3, 4]);
    assert_eq!((found.duplicates, found.extra), (vec![1, 5], vec![2]));
    assert!(found.ordered);
    // A copy is never a step of the path.
    let found = shape(&[&z.leaf, &z.sub, &z.issuing, &z.sub]);
    assert_eq!((found.path, found.duplicates), (vec![0, 2, 1], vec![3]));
    // Its issuer's issuer is of no use without the issuer.
    let gap = shape(&[&z.leaf, &z.sub, &z.root]);
    assert_eq!((gap.path, gap.extra), (vec![0], vec![1, 2]));
    assert_eq!(gap.missing_issuer.as_deref(), Some("CN=Issuing"));
}

#[test]
fn a_key_identifier_tells_two_of_one_name_apart() {
    let z = zoo();
    let namesake = root(ca("Issuing"));
    let found = shape(&[&z.leaf, &namesake, &z.issuing]);
    assert_eq!((found.path, found.extra), (vec![0, 2], vec![1]));
    // Without identifiers the name has to do.
    let mut params = CertificateParams::default();
    params.distinguished_name = named("plain.test").distinguished_name;
    let plain = z.issuing.issue(params);
    assert_eq!(plain.info().authority_key_id(), None);
    assert_eq!(shape(&[&plain, &namesake]).path, [0, 1]);
}

#[test]
fn of_two_that_can_be_the_issuer_the_next_counts() {
    let (old, new) = (root(ca("Old")), root(ca("New")));
    let key = KeyPair::generate().unwrap();
    let again = KeyPair::try_from(key.serialize_der()).unwrap();
    let by_old = old.certify(ca("Cross"), key);
    let by_new = new.certify(ca("Cross"), again);
    let leaf = by_old.issue(named("leaf.test"));
    assert_eq!(shape(&[&leaf, &by_old, &by_new]).path, [0, 1]);
    let found = shape(&[&leaf, &by_new, &by_old]);
    assert_eq!((found.path, found.extra), (vec![0, 1], vec![2]));
    assert_eq!(found.missing_issuer.as_deref(), Some("CN=New"));
}

#[test]
fn certificates_that_issue_each_other_end() {
    let (a, b) = (root(ca("A")), root(ca("B")));
    let key = |party: &Party| KeyPair::try_from(party.key.serialize_der()).unwrap();
    let a_by_b = b.certify(ca("A"), key(&a));
    let b_by_a = a.certify(ca("B"), key(&b));
    let found = shape(&[&a_by_b, &b_by_a]);
    assert_eq!((found.path, found.root_included), (vec![0, 1], false));
    assert_eq!(found.missing_issuer.as_deref(), Some("CN=A"));
}

#[test]
fn issuers_out_of_their_time() {
    let root = root(ca("Root"));
    let mut params = ca("Short");
    params.not_after = date_time_ymd(2025, 1, 1);
    let short = root.issue(params);
    let leaf = short.issue(named("leaf.test"));
    let infos = [leaf.info(), short.info(), root.info()];
    let shape = judge(&infos);
    let at_end = infos[1].not_after();
    assert!(shape.issuers_not_valid_at(&infos, at_end).is_empty());
    assert_eq!(shape.issuers_not_valid_at(&infos, at_end + 1), [1]);
}

#[test]
fn long_lists_are_cut() {
    let z = zoo();
    let mut chain = vec![&z.leaf; MOST_CERTIFICATES];
    chain.push(&z.issuing);
    let found = shape(&chain);
    assert_eq!(
        (found.path, found.extra),
        (vec![0], vec![MOST_CERTIFICATES])
    );
}
