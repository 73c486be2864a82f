//! `sallyport apply|get|delete|diff`: objects through the Admin API of a running node.
//! `files` reads what is to be applied, `client` carries it; here is what is asked in which order, and what is printed.

use std::collections::HashSet;
use std::process::ExitCode;

use control::object::Kind;
use serde_json::{Map, Value};

use super::client::{AdminArgs, Client};
use super::files::{self, FileArgs, Item};
use super::stop::{self, Stop};

/// Create or replace objects. Nothing is applied if any object of the set is invalid.
#[derive(clap::Args, Clone, Debug)]
pub struct ApplyArgs {
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Show objects; private keys are never shown.
#[derive(clap::Args, Clone, Debug)]
pub struct GetArgs {
    /// ssl, route, upstream or service.
    #[arg(value_parser = files::kind)]
    kind: Kind,
    /// One object; without it, all of the kind.
    #[arg(value_parser = files::id)]
    id: Option<String>,
    /// yaml: documents as `apply` takes them; json: the Admin API's answer.
    #[arg(short, long, default_value = "yaml", value_parser = ["yaml", "json"])]
    output: String,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Delete an object.
#[derive(clap::Args, Clone, Debug)]
pub struct DeleteArgs {
    /// ssl, route, upstream or service.
    #[arg(value_parser = files::kind)]
    kind: Kind,
    /// Its id.
    #[arg(value_parser = files::id)]
    id: String,
    /// Also if other objects still refer to it.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Show what `apply` would change. Exit code 1 if anything would.
#[derive(clap::Args, Clone, Debug)]
pub struct DiffArgs {
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Runs `apply`.
///
/// # Errors
/// None: failures are printed and become the exit code.
pub fn run_apply(args: &ApplyArgs) -> anyhow::Result<ExitCode> {
    Ok(stop::code(apply(args)))
}

/// Runs `get`.
///
/// # Errors
/// None: failures are printed and become the exit code.
pub fn run_get(args: &GetArgs) -> anyhow::Result<ExitCode> {
    Ok(stop::code(get(args)))
}

/// Runs `delete`.
///
/// # Errors
/// None: failures are printed and become the exit code.
pub fn run_delete(args: &DeleteArgs) -> anyhow::Result<ExitCode> {
    Ok(stop::code(delete(args)))
}

/// Runs `diff`.
///
/// # Errors
/// None: failures are printed and become the exit code.
pub fn run_diff(args: &DiffArgs) -> anyhow::Result<ExitCode> {
    Ok(stop::code(diff(args)))
}

fn apply(args: &ApplyArgs) -> Result<ExitCode, Stop> {
    let items = files::read(&args.files)?;
    let client = Client::new(&args.admin)?;
    let refused = refusals(&client, &items)?;
    if !refused.is_empty() {
        for line in &refused {
            eprintln!("sallyport: {line}");
        }
        return Err(Stop::failed(format!(
            "nothing was applied: {} of {} objects are invalid",
            refused.len(),
            items.len()
        )));
    }
    for (done, item) in items.iter().enumerate() {
        let path = format!("/apisix/admin/{}", item.key());
        let reply = client.send("PUT", &path, Some(&Value::Object(item.object.clone())))?;
        if !reply.is_ok() {
            let (place, key, why) = (&item.place, item.key(), reply.reason());
            return Err(Stop::failed(format!(
                "{place}: {key}: {why} ({done} of {} objects were applied)",
                items.len()
            )));
        }
        println!(
            "{} {}",
            item.key(),
            if reply.status == 201 {
                "created"
            } else {
                "replaced"
            }
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// What is wrong with the set, asked of the server before anything is written: it knows the data plane's rules, the
/// keyring and what is already stored.
fn refusals(client: &Client, items: &[Item]) -> Result<Vec<String>, Stop> {
    let given: HashSet<String> = items.iter().map(Item::key).collect();
    let mut present = HashSet::new();
    let mut found = Vec::new();
    for item in items {
        let at = format!("{}: {}", item.place, item.key());
        let path = format!("/apisix/admin/schema/validate/{}", item.kind.dir());
        let reply = client.send("POST", &path, Some(&Value::Object(item.object.clone())))?;
        if !reply.is_ok() {
            found.push(format!("{at}: {}", reply.reason()));
            continue;
        }
        for (kind, id) in control::admin::references(&item.object) {
            let key = format!("{}/{id}", kind.dir());
            if given.contains(&key) || present.contains(&key) {
                continue;
            }
            match files::id(&id) {
                Ok(_)
                    if client
                        .send("GET", &format!("/apisix/admin/{key}"), None)?
                        .is_ok() =>
                {
                    present.insert(key);
                }
                _ => found.push(format!("{at}: refers to {key}, which does not exist")),
            }
        }
    }
    Ok(found)
}

fn get(args: &GetArgs) -> Result<ExitCode, Stop> {
    let client = Client::new(&args.admin)?;
    let dir = args.kind.dir();
    let path = match &args.id {
        Some(id) => format!("/apisix/admin/{dir}/{id}"),
        None => format!("/apisix/admin/{dir}"),
    };
    let reply = client.send("GET", &path, None)?;
    if !reply.is_ok() {
        let what = args
            .id
            .as_ref()
            .map_or_else(|| dir.to_owned(), |id| format!("{dir}/{id}"));
        return Err(Stop::failed(format!("{what}: {}", reply.reason())));
    }
    if args.output == "json" {
        println!("{:#}", reply.body);
        return Ok(ExitCode::SUCCESS);
    }
    let one = [reply.body.clone()];
    let list = reply
        .body
        .get("list")
        .and_then(Value::as_array)
        .map_or(&one[..], Vec::as_slice);
    let documents: Result<Vec<String>, Stop> =
        list.iter().map(|item| yaml(args.kind, item)).collect();
    print!("{}", documents?.join("---\n"));
    Ok(ExitCode::SUCCESS)
}

/// One document as `apply` takes it.
fn yaml(kind: Kind, item: &Value) -> Result<String, Stop> {
    let mut document = Map::from_iter([("kind".to_owned(), kind.name().into())]);
    let id = item
        .get("key")
        .and_then(Value::as_str)
        .and_then(|key| key.rsplit('/').next())
        .unwrap_or_default();
    document.insert("id".to_owned(), id.into());
    let value = item
        .get("value")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    document.extend(value.into_iter().filter(|(name, _)| name != "id"));
    serde_yaml_ng::to_string(&document)
        .map_err(|e| Stop::failed(format!("{}/{id}: {e}", kind.dir())))
}

fn delete(args: &DeleteArgs) -> Result<ExitCode, Stop> {
    let key = format!("{}/{}", args.kind.dir(), args.id);
    let path = format!(
        "/apisix/admin/{key}{}",
        if args.force { "?force=true" } else { "" }
    );
    let reply = Client::new(&args.admin)?.send("DELETE", &path, None)?;
    if !reply.is_ok() {
        return Err(Stop::failed(format!("{key}: {}", reply.reason())));
    }
    println!("{key} deleted");
    Ok(ExitCode::SUCCESS)
}

fn diff(args: &DiffArgs) -> Result<ExitCode, Stop> {
    let items = files::read(&args.files)?;
    let client = Client::new(&args.admin)?;
    let mut differs = false;
    for item in &items {
        let path = format!("/v1/diff/{}", item.key());
        let reply = client.send("POST", &path, Some(&Value::Object(item.object.clone())))?;
        if !reply.is_ok() {
            return Err(Stop::failed(format!(
                "{}: {}: {}",
                item.place,
                item.key(),
                reply.reason()
            )));
        }
        let lines = changes(&item.key(), &reply.body);
        differs |= !lines.is_empty();
        lines.iter().for_each(|line| println!("{line}"));
    }
    Ok(if differs {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The server's diff of one object as lines; none if nothing changes.
fn changes(key: &str, diff: &Value) -> Vec<String> {
    let sign = match diff.get("change").and_then(Value::as_str) {
        Some("added") => '+',
        Some("changed") => '~',
        _ => return Vec::new(),
    };
    let fields = diff
        .get("fields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let line = |field: &Value| {
        let path = field
            .get("path")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match (field.get("secret"), field.get("old"), field.get("new")) {
            (Some(Value::Bool(true)), ..) => format!("  ~ {path}: (changed, not shown)"),
            (_, Some(old), Some(new)) => format!("  ~ {path}: {old} -> {new}"),
            (_, None, Some(new)) => format!("  + {path}: {new}"),
            (_, Some(old), None) => format!("  - {path}: {old}"),
            _ => format!("  ~ {path}"),
        }
    };
    std::iter::once(format!("{sign} {key}"))
        .chain(fields.map(line))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_diff_in_lines() {
        let diff = json!({"change": "changed", "fields": [
            {"path": "uri", "old": "/a", "new": "/b"},
            {"path": "name", "new": "n"},
            {"path": "desc", "old": "d"},
            {"path": "upstream.tls.client_key", "secret": true},
        ]});
        let expected = [
            "~ routes/1",
            "  ~ uri: \"/a\" -> \"/b\"",
            "  + name: \"n\"",
            "  - desc: \"d\"",
            "  ~ upstream.tls.client_key: (changed, not shown)",
        ];
        assert_eq!(changes("routes/1", &diff), expected);
        assert!(changes("routes/1", &json!({"change": "same", "fields": []})).is_empty());
    }

    #[test]
    fn what_get_prints_can_be_applied() {
        let item =
            json!({"key": "/apisix/routes/1", "value": {"id": "1", "uri": "/a", "update_time": 5}});
        assert_eq!(
            yaml(Kind::Route, &item).unwrap(),
            "id: '1'\nkind: route\nupdate_time: 5\nuri: /a\n"
        );
    }
}
