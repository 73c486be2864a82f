//! Reading objects from files: YAML (several documents) or tolerant JSON, each document one object with `kind`, a
//! group (`{"ssls": [...], "routes": [...]}`) or, with `--kind`, a bare APISIX object. Knows where each came from, so
//! that errors can say so. Does not validate the objects.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use control::object::Kind;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::stop::Stop;

/// Which files, and how to read bare objects.
#[derive(clap::Args, Clone, Debug)]
pub struct FileArgs {
    /// YAML or JSON file, a directory of them, or - for standard input. May be given several times.
    #[arg(short, long = "file", required = true, value_name = "FILE|DIR|-")]
    pub files: Vec<PathBuf>,
    /// Kind of objects that do not say it themselves: ssl, route, upstream or service.
    #[arg(long, value_name = "KIND", value_parser = kind)]
    pub kind: Option<Kind>,
    /// Id of the object that does not say it itself.
    #[arg(long, requires = "kind", value_name = "ID", value_parser = id)]
    pub id: Option<String>,
}

/// Where an object stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    file: String,
    document: usize,
    within: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: document {}", self.file, self.document)?;
        if self.within.is_empty() {
            Ok(())
        } else {
            write!(f, ", {}", self.within)
        }
    }
}

/// One object of a file.
#[derive(Clone, Debug)]
pub struct Item {
    /// For messages.
    pub place: Place,
    /// What it is.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// The object as APISIX has it, with `id`, without `kind`.
    pub object: Map<String, Value>,
}

impl Item {
    /// `routes/1`
    pub fn key(&self) -> String {
        format!("{}/{}", self.kind.dir(), self.id)
    }
}

/// A kind by its singular or plural name.
///
/// # Errors
/// A sentence that lists the kinds.
pub fn kind(text: &str) -> Result<Kind, String> {
    let wanted = text.to_ascii_lowercase();
    Kind::ALL
        .into_iter()
        .find(|k| k.name() == wanted || k.dir() == wanted)
        .ok_or_else(|| format!("unknown kind `{text}`: ssl, route, upstream and service are known"))
}

/// An id that can stand in a path.
///
/// # Errors
/// A sentence with the rule.
pub fn id(text: &str) -> Result<String, String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if (1..=64).contains(&text.len()) && text.bytes().all(fits) && text != "." && text != ".." {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 64 letters, digits, `-`, `_` or `.`".to_owned())
    }
}

/// Every object of the files, in the order they must be written: what is referred to comes first.
///
/// # Errors
/// The first file or document that cannot be read, and two objects with the same key.
pub fn read(args: &FileArgs) -> Result<Vec<Item>, Stop> {
    let mut items = Vec::new();
    for path in &args.files {
        for (name, text) in texts(path)? {
            documents(args, &name, &text, &mut items)?;
        }
    }
    if items.is_empty() {
        return Err(Stop::usage("the files hold no objects"));
    }
    if args.id.is_some() && items.len() > 1 {
        return Err(Stop::usage("--id names one object, the files hold more"));
    }
    // Stable: within a kind the order of the files stays.
    items.sort_by_key(|item| Kind::ALL.iter().position(|k| *k == item.kind));
    let mut seen = std::collections::HashMap::new();
    for item in &items {
        if let Some(first) = seen.insert(item.key(), &item.place) {
            return Err(Stop::usage(format!(
                "{}: {} is already given by {first}",
                item.place,
                item.key()
            )));
        }
    }
    Ok(items)
}

/// The files behind one argument, with their contents.
fn texts(path: &Path) -> Result<Vec<(String, String)>, Stop> {
    let failed = |path: &Path, e: &std::io::Error| Stop::usage(format!("{}: {e}", path.display()));
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|e| Stop::usage(format!("standard input: {e}")))?;
        return Ok(vec![("-".to_owned(), text)]);
    }
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(|e| failed(path, &e))?;
        let known = |p: &PathBuf| {
            p.is_file()
                && p.extension()
                    .and_then(|e| e.to_str())
                    .is_some_and(|e| ["yaml", "yml", "json"].contains(&e))
        };
        files = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(known)
            .collect();
        files.sort();
    }
    let read = |p: &PathBuf| {
        Ok((
            p.display().to_string(),
            std::fs::read_to_string(p).map_err(|e| failed(p, &e))?,
        ))
    };
    files.iter().map(read).collect()
}

/// Splits a file into documents and each of them into objects.
fn documents(args: &FileArgs, file: &str, text: &str, items: &mut Vec<Item>) -> Result<(), Stop> {
    for (index, value) in parse(file, text)?.into_iter().enumerate() {
        let place = |within: String| Place {
            file: file.to_owned(),
            document: index + 1,
            within,
        };
        match value {
            Value::Null => {}
            Value::Array(list) => {
                for (n, value) in list.into_iter().enumerate() {
                    items.push(single(args, place(format!("item {}", n + 1)), None, value)?);
                }
            }
            Value::Object(group) if is_group(&group) => {
                for (dir, list) in group {
                    let Value::Array(list) = list else {
                        return Err(Stop::usage(format!("{}: must be a list", place(dir))));
                    };
                    for (n, value) in list.into_iter().enumerate() {
                        items.push(single(
                            args,
                            place(format!("{dir}[{n}]")),
                            Kind::from_dir(&dir),
                            value,
                        )?);
                    }
                }
            }
            value => items.push(single(args, place(String::new()), None, value)?),
        }
    }
    Ok(())
}

/// The documents of a text. JSON comes first: its tolerant form (comments, raw newlines) is no YAML.
fn parse(file: &str, text: &str) -> Result<Vec<Value>, Stop> {
    let looks_json = text.trim_start().starts_with(['{', '[', '/']);
    let as_json = if looks_json || file.ends_with(".json") {
        Some(control::json::parse(text.as_bytes()))
    } else {
        None
    };
    match as_json {
        Some(Ok(value)) => return Ok(vec![value]),
        Some(Err(e)) if file.ends_with(".json") => return Err(Stop::usage(format!("{file}: {e}"))),
        _ => {}
    }
    let mut values = Vec::new();
    for (index, document) in serde_yaml_ng::Deserializer::from_str(text).enumerate() {
        match Value::deserialize(document) {
            Ok(value) => values.push(value),
            Err(e) => {
                // What looked like JSON was most likely meant as JSON.
                let told = as_json
                    .and_then(Result::err)
                    .map_or_else(|| e.to_string(), |e| e.to_string());
                return Err(Stop::usage(format!(
                    "{file}: document {}: {told}",
                    index + 1
                )));
            }
        }
    }
    Ok(values)
}

fn is_group(object: &Map<String, Value>) -> bool {
    !object.is_empty() && object.keys().all(|name| Kind::from_dir(name).is_some())
}

/// One object: its kind from the group, its own `kind`, or `--kind`; its id from itself or `--id`.
fn single(args: &FileArgs, place: Place, group: Option<Kind>, value: Value) -> Result<Item, Stop> {
    let bad = |why: &str| Stop::usage(format!("{place}: {why}"));
    let Value::Object(mut object) = value else {
        return Err(bad("must be an object"));
    };
    let own = match object.remove("kind") {
        Some(Value::String(text)) => Some(kind(&text).map_err(|why| bad(&format!("kind: {why}")))?),
        Some(_) => return Err(bad("kind: must be a string")),
        None => None,
    };
    let Some(kind) = group.or(own).or(args.kind) else {
        return Err(bad("kind: missing; give it in the object or with --kind"));
    };
    if own.is_some_and(|own| own != kind) {
        return Err(bad("kind: is not the group's"));
    }
    let id = match object
        .get("id")
        .or(args.id.clone().map(Value::String).as_ref())
    {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        Some(_) => return Err(bad("id: must be a string or a number")),
        None => return Err(bad("id: missing; give it in the object or with --id")),
    };
    let id = self::id(&id).map_err(|why| bad(&format!("id: {why}")))?;
    // What `get` and etcd hand out may hold them; the server sets them itself.
    object.remove("create_time");
    object.remove("update_time");
    object.insert("id".to_owned(), id.as_str().into());
    Ok(Item {
        place,
        kind,
        id,
        object,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> FileArgs {
        FileArgs {
            files: Vec::new(),
            kind: None,
            id: None,
        }
    }

    fn items(args: &FileArgs, name: &str, text: &str) -> Result<Vec<Item>, Stop> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let args = FileArgs {
            files: vec![path],
            ..args.clone()
        };
        let cut = |text: String| text.replace(&format!("{}/", dir.path().display()), "");
        read(&args).map_err(|stop| match stop {
            Stop::Usage(text) => Stop::Usage(cut(text)),
            Stop::Failed(text) => Stop::Failed(cut(text)),
        })
    }

    fn keys(items: &[Item]) -> Vec<String> {
        items.iter().map(Item::key).collect()
    }

    #[test]
    fn yaml_documents_are_ordered_by_what_refers_to_what() {
        let text = "kind: route\nid: 1\nuri: /a\nupstream_id: u\n---\nkind: upstream\nid: u\nnodes:\n  127.0.0.1:80: 1\n---\nkind: ssls\nid: s\n";
        let items = items(&args(), "a.yaml", text).unwrap();
        assert_eq!(keys(&items), ["ssls/s", "upstreams/u", "routes/1"]);
        assert_eq!(items[2].place.document, 1);
        assert_eq!(
            Value::Object(items[1].object.clone()),
            serde_json::json!({"id": "u", "nodes": {"127.0.0.1:80": 1}})
        );
    }

    #[test]
    fn groups_lists_and_bare_objects() {
        let group = r#"{"routes":[{"id":1,"uri":"/"}],"upstreams":[{"id":"u"}]}"#;
        assert_eq!(
            keys(&items(&args(), "a.json", group).unwrap()),
            ["upstreams/u", "routes/1"]
        );
        let list = r#"[{"kind":"route","id":"2"}]"#;
        assert_eq!(keys(&items(&args(), "a.json", list).unwrap()), ["routes/2"]);
        let bare = FileArgs {
            kind: Some(Kind::Ssl),
            id: Some("x".to_owned()),
            ..args()
        };
        assert_eq!(
            keys(&items(&bare, "a.json", r#"{"sni":"a.com"}"#).unwrap()),
            ["ssls/x"]
        );
    }

    #[test]
    fn errors_name_file_document_and_field() {
        let cases = [
            (
                "a.yaml",
                "kind: route\nid: 1\n---\nuri: /\n",
                "a.yaml: document 2: kind: missing; give it in the object or with --kind",
            ),
            (
                "a.yaml",
                "kind: rout\nid: 1\n",
                "a.yaml: document 1: kind: unknown kind `rout`: ssl, route, upstream and service are known",
            ),
            (
                "a.yaml",
                "kind: route\n",
                "a.yaml: document 1: id: missing; give it in the object or with --id",
            ),
            (
                "a.json",
                r#"{"routes":{}}"#,
                "a.json: document 1, routes: must be a list",
            ),
            (
                "a.json",
                r#"{"routes":[{"id":1},{"id":"1"}]}"#,
                "a.json: document 1, routes[1]: routes/1 is already given by a.json: document 1, routes[0]",
            ),
            ("a.yaml", "", "the files hold no objects"),
        ];
        for (name, text, expected) in cases {
            assert_eq!(
                items(&args(), name, text).unwrap_err(),
                Stop::usage(expected),
                "{text}"
            );
        }
    }
}
