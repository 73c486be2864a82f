//! GET of many: filters, paging, and the shape of one item. Pure: works on what the store listed.

use http::StatusCode;
use regex::Regex;
use serde::Serialize;
use serde_json::Value;

use super::answer::Answer;
use super::references::{id_below, id_text};
use super::request::Args;
use super::secrets;
use crate::json;
use crate::object::Kind;
use crate::store::{Entry, Listing};

/// One object as GET shows it.
#[derive(Serialize)]
pub(super) struct Item {
    key: String,
    /// Without secrets; `null` if what is stored is not JSON (it might hold a key, so it is not shown as text).
    value: Value,
    #[serde(rename = "createdIndex")]
    created: u64,
    #[serde(rename = "modifiedIndex")]
    modified: u64,
}

impl Item {
    /// The item for a stored value.
    pub(super) fn new(prefix: &str, kind: Kind, entry: &Entry) -> Self {
        let mut value = json::parse(&entry.value).unwrap_or(Value::Null);
        secrets::strip(kind, &mut value);
        Self {
            key: format!("{prefix}/{}", entry.key),
            value,
            created: entry.create_revision,
            modified: entry.mod_revision,
        }
    }
}

#[derive(Serialize)]
struct Page<'a> {
    list: &'a [Item],
    total: usize,
}

/// `{"list", "total"}`: filtered, and paged if both `page` and `page_size` are numbers.
pub(super) fn answer(
    prefix: &str,
    kind: Kind,
    listing: &Listing,
    args: &Args,
) -> Result<Answer, Answer> {
    let filter = Filter::new(kind, args);
    let mut items: Vec<Item> = listing
        .entries
        .iter()
        .filter(|entry| id_below(kind, &entry.key).is_some())
        .map(|entry| Item::new(prefix, kind, entry))
        .filter(|item| filter.passes(&item.value))
        .collect();
    let total = items.len();
    let (Some(page), Some(size)) = (args.number("page"), args.number("page_size")) else {
        return Ok(Answer::json(
            StatusCode::OK,
            &Page {
                list: &items,
                total,
            },
        ));
    };
    if !(10.0..=500.0).contains(&size) {
        return Err(Answer::plain(
            StatusCode::BAD_REQUEST,
            "page_size must be between 10 and 500",
        ));
    }
    items.sort_by_key(|item| item.created);
    // In range: checked above, and a page beyond the end is empty whatever its number.
    let (page, size) = (page.clamp(1.0, 1e9) as usize, size as usize);
    let from = (page - 1).saturating_mul(size).min(total);
    let to = from.saturating_add(size).min(total);
    Ok(Answer::json(
        StatusCode::OK,
        &Page {
            list: items.get(from..to).unwrap_or_default(),
            total,
        },
    ))
}

/// The four filters; an expression that does not compile matches nothing, as in APISIX.
struct Filter {
    name: Option<Option<Regex>>,
    uri: Option<Option<Regex>>,
    label: Option<String>,
    fields: Vec<(&'static str, String)>,
}

impl Filter {
    fn new(kind: Kind, args: &Args) -> Self {
        let regex = |name| args.get(name).map(|text| Regex::new(text).ok());
        let asked = Args::parse(args.get("filter").unwrap_or_default());
        let known: &[&'static str] = if kind == Kind::Route {
            &["service_id", "upstream_id"]
        } else {
            &[]
        };
        let fields = known
            .iter()
            .filter_map(|f| Some((*f, asked.get(f)?.to_owned())))
            .collect();
        Self {
            name: regex("name"),
            uri: regex("uri"),
            label: args.get("label").map(str::to_owned),
            fields,
        }
    }

    fn passes(&self, value: &Value) -> bool {
        let matches = |filter: &Option<Option<Regex>>, texts: &[&str]| match filter {
            None => true,
            Some(None) => false,
            Some(Some(regex)) => texts.iter().any(|text| regex.is_match(text)),
        };
        let text = |name| value.get(name).and_then(Value::as_str);
        let uris = value
            .get("uris")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let labelled = |label: &String| {
            value
                .get("labels")
                .is_some_and(|labels| labels.get(label).is_some())
        };
        matches(&self.name, text("name").as_slice())
            && matches(
                &self.uri,
                &text("uri").into_iter().chain(uris).collect::<Vec<_>>(),
            )
            && self.label.as_ref().is_none_or(labelled)
            && self
                .fields
                .iter()
                .all(|(field, wanted)| value.get(*field).and_then(id_text).as_ref() == Some(wanted))
    }
}
