//! Why a value of an object was refused, and where: grows a path on its way out of the readers and ends as a
//! [`Refusal`]. Private to `object`.

use std::borrow::Cow;

use crate::rejection::Refusal;

/// Why a value was refused and where. Steps are added on the way out, so that reading a good object builds no paths.
#[derive(Debug)]
pub(super) struct Fault {
    /// Innermost first.
    steps: Vec<Step>,
    /// A member the reason is about although it is not part of the schema's nesting (`required`, `additional`).
    about: Option<Cow<'static, str>>,
    reason: String,
    schema: bool,
}

#[derive(Debug)]
enum Step {
    Name(Cow<'static, str>),
    Index(usize),
}

impl Fault {
    /// A breach of the schema: the reason is told as APISIX's validator nests it.
    pub(super) fn schema(reason: impl Into<String>) -> Self {
        Self {
            steps: Vec::new(),
            about: None,
            reason: reason.into(),
            schema: true,
        }
    }

    /// Any other fault: the reason stands as it is.
    pub(super) fn plain(reason: impl Into<String>) -> Self {
        Self {
            steps: Vec::new(),
            about: None,
            reason: reason.into(),
            schema: false,
        }
    }

    /// The same fault, about the member `name` of the value it was found in.
    pub(super) fn about(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.about = Some(name.into());
        self
    }

    /// The same fault, found in the member `name`.
    pub(super) fn within(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.steps.push(Step::Name(name.into()));
        self
    }

    /// The same fault, found in the item `index` (from 0).
    pub(super) fn at(mut self, index: usize) -> Self {
        self.steps.push(Step::Index(index));
        self
    }

    /// The reason without its nesting.
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    /// The path (`upstream.nodes[0].port`) and the sentence.
    pub(super) fn into_refusal(self) -> Refusal {
        let (mut field, mut nesting) = (String::new(), String::new());
        for step in self.steps.iter().rev() {
            match step {
                Step::Name(name) => {
                    join(&mut field, name);
                    nesting.push_str(&format!("property \"{name}\" validation failed: "));
                }
                Step::Index(index) => {
                    field.push_str(&format!("[{index}]"));
                    nesting.push_str(&format!("failed to validate item {}: ", index + 1));
                }
            }
        }
        if let Some(name) = &self.about {
            join(&mut field, name);
        }
        // A key pasted into the wrong place must not come back in the sentence about that place.
        let pem = |text: &str| text.contains("-----BEGIN");
        if pem(&field) || pem(&nesting) {
            field.clear();
            nesting.clear();
        }
        let reason = if pem(&self.reason) || field.is_empty() && !self.steps.is_empty() {
            format!("invalid configuration: {nesting}PEM text is out of place here")
        } else if self.schema {
            format!("invalid configuration: {nesting}{}", self.reason)
        } else {
            self.reason
        };
        Refusal::new(field, reason)
    }
}

fn join(field: &mut String, name: &str) {
    if !field.is_empty() {
        field.push('.');
    }
    field.push_str(name);
}
