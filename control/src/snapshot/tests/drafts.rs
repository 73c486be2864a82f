//! Objects for the tests, written as they lie in the store and read as they are read from it.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::*;
use crate::object::{self, ReadContext};
use crate::rejection::Refusal;
use crate::seal::Keyring;

/// A JSON object under a key.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    kind: Kind,
    id: String,
    fields: Map<String, Value>,
}

pub(super) fn ssl(id: &str, names: &[&str]) -> Draft {
    static PAIR: LazyLock<(String, String)> = LazyLock::new(|| {
        let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    });
    Draft::new(Kind::Ssl, id, json!({"cert": PAIR.0, "key": PAIR.1})).with("snis", names)
}

pub(super) fn route(id: &str, hosts: &[&str], uris: &[&str]) -> Draft {
    Draft::new(Kind::Route, id, json!({"upstream_id": "u"}))
        .with("hosts", hosts)
        .with("uris", uris)
}

pub(super) fn service(id: &str, hosts: &[&str]) -> Draft {
    Draft::new(Kind::Service, id, json!({})).with("hosts", hosts)
}

pub(super) fn upstream(id: &str) -> Draft {
    Draft::new(Kind::Upstream, id, json!({"nodes": {"127.0.0.1:80": 1}}))
}

impl Draft {
    fn new(kind: Kind, id: &str, fields: Value) -> Self {
        let Value::Object(fields) = fields else {
            unreachable!()
        };
        Self {
            kind,
            id: id.to_owned(),
            fields,
        }
    }

    /// With this member; without it if the value is null or an empty list.
    pub(super) fn with(mut self, name: &str, value: impl serde::Serialize) -> Self {
        let value = json!(value);
        if value.is_null() || value.as_array().is_some_and(Vec::is_empty) {
            self.fields.remove(name);
        } else {
            self.fields.insert(name.to_owned(), value);
        }
        self
    }

    fn read(&self) -> Result<Object, Refusal> {
        let keyring = Keyring::default();
        let context = ReadContext {
            keyring: &keyring,
            env: &|_| None,
        };
        object::read(
            self.kind,
            &self.id,
            json!(self.fields).to_string().as_bytes(),
            &context,
        )
    }

    pub(super) fn object(&self) -> Object {
        self.read()
            .unwrap_or_else(|refusal| panic!("{self:?}: {refusal:?}"))
    }

    pub(super) fn route(&self) -> Arc<Route> {
        match self.object() {
            Object::Route(route) => route,
            other => panic!("{other:?} is not a route"),
        }
    }

    pub(super) fn upstream(&self) -> Arc<Upstream> {
        match self.object() {
            Object::Upstream(upstream) => upstream,
            other => panic!("{other:?} is not an upstream"),
        }
    }

    /// The object is written.
    pub(super) fn set(&self) -> Change {
        self.set_at(1)
    }

    /// The object is written by this revision.
    pub(super) fn set_at(&self, revision: u64) -> Change {
        Change::Set(self.kind, self.id.as_str().into(), self.object(), revision)
    }

    /// The object is written with a member nobody knows.
    pub(super) fn refused(&self) -> Change {
        self.refused_at(9)
    }

    /// The same, by this revision.
    pub(super) fn refused_at(&self, revision: u64) -> Change {
        let refusal = self.clone().with("unheard_of", 1).read().unwrap_err();
        Change::Refuse(
            self.kind,
            self.id.as_str().into(),
            refusal.at(self.kind, &self.id, revision),
            refusal.closes,
        )
    }
}
