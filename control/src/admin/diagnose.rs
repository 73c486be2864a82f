//! `GET /v1/diagnose?upstream=ID|ssl=ID`: every node probes the TLS of a configured object from where it stands. Only configured
//! objects, never hosts of the caller's choice; and only for the admin's key, because it makes connections.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use http::StatusCode;
use serde_json::{Value, json};

use super::answer::Answer;
use super::gather::{self, Said};
use super::{AdminState, auth};

/// How long one node may take: a little more than it gives itself for its probes.
const PATIENCE: Duration = Duration::from_secs(55);

/// See the module.
pub(super) async fn diagnose(
    State(state): State<Arc<AdminState>>,
    request: Request,
) -> Result<Answer, Answer> {
    auth::administrator(&state.keys, &request)?;
    let path = path(request.uri().query().unwrap_or_default())?;
    let members = state.members.borrow().clone();
    let answers = gather::ask(&members, &path, PATIENCE).await;
    let nodes: Vec<Value> = answers
        .into_iter()
        .map(|(node, said)| match said {
            Said::Page(report) => json!({"node": node, "report": report}),
            Said::Refused(status, why) if why.is_empty() => {
                json!({"node": node, "error": format!("answered {}", status.as_u16())})
            }
            Said::Refused(_, why) => json!({"node": node, "error": why}),
            Said::Silent(why) => json!({"node": node, "error": why}),
        })
        .collect();
    Ok(Answer::json(StatusCode::OK, &json!({"nodes": nodes})))
}

/// What the nodes are asked: one object. The caller's own key stays here.
fn path(query: &str) -> Result<String, Answer> {
    let mut asked = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "api_key" => {}
            "upstream" | "ssl" if asked.is_none() && !value.is_empty() => {
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.append_pair(&name, &value);
                asked = Some(format!("/v1/diagnose?{}", query.finish()));
            }
            "upstream" | "ssl" => return Err(Answer::bad("give one of upstream and ssl, once")),
            _ => return Err(Answer::bad(format!("unknown parameter: {name}"))),
        }
    }
    asked.ok_or_else(|| Answer::bad("give upstream or ssl, the id of the object to diagnose"))
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn one_object_is_asked_for_and_no_key_is_passed_on() {
        let of = |query: &str| path(query).ok();
        let upstream = Some("/v1/diagnose?upstream=a%26b%2Fc".to_owned());
        assert_eq!(of("api_key=secret&upstream=a%26b%2Fc"), upstream);
        assert_eq!(of("ssl=1"), Some("/v1/diagnose?ssl=1".to_owned()));
        for bad in [
            "",
            "api_key=x",
            "upstream=",
            "upstream=1&ssl=2",
            "host=a.test",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
