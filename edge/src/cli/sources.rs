//! Where a setting comes from: flag, else environment, else the YAML file, else nothing (the default is its reader's).
//! Knows the places, not the meanings. Refuses what it does not know: a misspelt setting must not be passed over.

use std::collections::BTreeMap;
use std::fmt;

use serde_yaml_ng::{Mapping, Value};

/// Variables with our prefix that are no settings of `serve`: read at build time, by other subcommands, by the tests.
const NOT_SETTINGS: [&str; 3] = ["SALLYPORT_COMMIT", "SALLYPORT_ADMIN_URL", "SALLYPORT_BIN"];
const PREFIX: &str = "SALLYPORT_";

/// Bad usage: one line that says what and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub(super) String);

/// One given setting.
pub(super) struct Given {
    /// As written.
    pub(super) text: String,
    place: Place,
}

enum Place {
    Flag(&'static str),
    Variable(String),
    File(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(key) => write!(f, "--{key}"),
            Self::Variable(name) => f.write_str(name),
            Self::File(place) => f.write_str(place),
        }
    }
}

impl Given {
    /// A refusal of this setting, with its place.
    pub(super) fn refused(&self, reason: &str) -> ConfigError {
        ConfigError(format!("{}: {reason}", self.place))
    }
}

/// All given settings by key, the strongest source of each.
pub(super) struct Sources {
    settings: BTreeMap<&'static str, Given>,
}

impl Sources {
    /// Merges the three sources. `flags` lists every known key, with its value where given; `file` is the path and text of
    /// the YAML file.
    pub(super) fn merge(
        flags: Vec<(&'static str, Option<String>)>,
        environment: impl IntoIterator<Item = (String, String)>,
        file: Option<(&str, &str)>,
    ) -> Result<Self, ConfigError> {
        let keys: Vec<&'static str> = flags.iter().map(|(key, _)| *key).collect();
        let mut settings = BTreeMap::new();
        if let Some((path, text)) = file {
            settings = from_file(&keys, path, text)?;
        }
        for (name, text) in environment {
            let Some(key) = variable(&keys, &name)? else {
                continue;
            };
            settings.insert(
                key,
                Given {
                    text,
                    place: Place::Variable(name),
                },
            );
        }
        for (key, text) in flags {
            if let Some(text) = text {
                settings.insert(
                    key,
                    Given {
                        text,
                        place: Place::Flag(key),
                    },
                );
            }
        }
        Ok(Self { settings })
    }

    /// The setting, if it was given anywhere.
    pub(super) fn get(&self, key: &'static str) -> Option<&Given> {
        self.settings.get(key)
    }

    /// Reads the setting, if given.
    pub(super) fn read<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        self.get(key)
            .map(|given| read(&given.text).map_err(|reason| given.refused(&reason)))
            .transpose()
    }

    /// Reads the setting, or its default.
    pub(super) fn read_or<T>(
        &self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        Ok(self.read(key, read)?.unwrap_or(default))
    }
}

/// The key a variable stands for; `None` for other people's variables.
fn variable(keys: &[&'static str], name: &str) -> Result<Option<&'static str>, ConfigError> {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return Ok(None);
    };
    if NOT_SETTINGS.contains(&name) || is_service_link(rest) {
        return Ok(None);
    }
    let key = rest.to_ascii_lowercase().replace('_', "-");
    let upper = rest.to_ascii_uppercase() == rest;
    keys.iter()
        .find(|k| upper && **k == key)
        .map(|k| Some(*k))
        .ok_or_else(|| {
            ConfigError(format!(
                "{name}: there is no such setting (environment; see sallyport serve --help)"
            ))
        })
}

/// What Kubernetes sets in every pod beside a Service that is called `sallyport`.
fn is_service_link(rest: &str) -> bool {
    rest == "PORT"
        || ["PORT_", "SERVICE_HOST", "SERVICE_PORT"]
            .iter()
            .any(|start| rest.starts_with(start))
}

fn from_file(
    keys: &[&'static str],
    path: &str,
    text: &str,
) -> Result<BTreeMap<&'static str, Given>, ConfigError> {
    let mut settings = BTreeMap::new();
    let parsed: Option<Mapping> = serde_yaml_ng::from_str(text)
        .map_err(|e| ConfigError(format!("{path}: not a YAML mapping: {e}")))?;
    for (key, value) in parsed.unwrap_or_default() {
        let Value::String(name) = key else {
            return Err(ConfigError(format!("{path}: a key that is not a string")));
        };
        let line = line_of(text, &name);
        let Some(known) = keys.iter().find(|k| **k == name && name != "config") else {
            let meant = name.replace('_', "-");
            let hint = if meant != name && keys.contains(&meant.as_str()) {
                format!("; `{meant}` is meant?")
            } else {
                String::new()
            };
            return Err(ConfigError(format!(
                "{path}:{line}: there is no setting `{name}`{hint}"
            )));
        };
        let text = scalar(&value)
            .ok_or_else(|| ConfigError(format!("{path}:{line}: `{name}` needs one value")))?;
        settings.insert(
            *known,
            Given {
                text,
                place: Place::File(format!("{path}:{line}: {name}")),
            },
        );
    }
    Ok(settings)
}

/// A value as its flag would be written; a list becomes a comma list.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Sequence(all) if all.iter().all(|v| !v.is_sequence()) => Some(
            all.iter()
                .map(scalar)
                .collect::<Option<Vec<_>>>()?
                .join(","),
        ),
        _ => None,
    }
}

/// Line of a top-level key, from 1.
fn line_of(text: &str, key: &str) -> usize {
    let starts = |line: &str| {
        let line = line.trim_start_matches(['"', '\'']);
        line.strip_prefix(key)
            .is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
    };
    text.lines().position(starts).map_or(1, |n| n + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(
        flag: Option<&str>,
        env: &[(&str, &str)],
        file: Option<&str>,
    ) -> Result<Option<(String, String)>, ConfigError> {
        let flags = vec![
            ("role", flag.map(str::to_owned)),
            ("idle-timeout", None),
            ("config", None),
        ];
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let sources = Sources::merge(flags, env, file.map(|text| ("s.yaml", text)))?;
        Ok(sources
            .get("role")
            .map(|g| (g.text.clone(), g.refused("x").0)))
    }

    fn refusal(env: &[(&str, &str)], file: Option<&str>) -> String {
        merge(None, env, file).unwrap_err().0
    }

    #[test]
    fn flag_over_environment_over_file() {
        let env = [("SALLYPORT_ROLE", "e")];
        let file = Some("# roles\nrole: f\n");
        let from = |got: Result<Option<(String, String)>, ConfigError>| got.unwrap().unwrap();
        assert_eq!(
            from(merge(Some("g"), &env, file)),
            ("g".into(), "--role: x".into())
        );
        assert_eq!(
            from(merge(None, &env, file)),
            ("e".into(), "SALLYPORT_ROLE: x".into())
        );
        let expected = "s.yaml:2: role: x";
        assert_eq!(from(merge(None, &[], file)), ("f".into(), expected.into()));
        assert_eq!(merge(None, &[("HOME", "/")], None), Ok(None));
    }

    #[test]
    fn what_is_unknown_is_refused_by_name_and_place() {
        assert!(
            refusal(&[("SALLYPORT_ROLES", "a")], None)
                .starts_with("SALLYPORT_ROLES: there is no such setting")
        );
        assert!(refusal(&[("SALLYPORT_role", "a")], None).starts_with("SALLYPORT_role"));
        assert_eq!(
            refusal(&[], Some("role: a\n\nidle_timeout: 5s\n")),
            "s.yaml:3: there is no setting `idle_timeout`; `idle-timeout` is meant?"
        );
        assert_eq!(
            refusal(&[], Some("config: other.yaml")),
            "s.yaml:1: there is no setting `config`"
        );
        assert_eq!(
            refusal(&[], Some("role: {a: b}")),
            "s.yaml:1: `role` needs one value"
        );
        assert!(refusal(&[], Some("- role\n")).starts_with("s.yaml: not a YAML mapping"));
        assert!(refusal(&[], Some("role: a\nrole: b\n")).contains("duplicate"));
        for other in [
            "SALLYPORT_COMMIT",
            "SALLYPORT_PORT_9443_TCP_ADDR",
            "SALLYPORT_SERVICE_HOST",
        ] {
            assert_eq!(merge(None, &[(other, "x")], None), Ok(None));
        }
    }

    #[test]
    fn yaml_values_read_as_the_flag_would() {
        let role = |file| merge(None, &[], Some(file)).unwrap().map(|g| g.0);
        assert_eq!(
            role("role: [router, processor]").as_deref(),
            Some("router,processor")
        );
        assert_eq!(role("role: 5").as_deref(), Some("5"));
        assert_eq!(role("role: off").as_deref(), Some("off"));
        assert_eq!(role(""), None);
    }
}
