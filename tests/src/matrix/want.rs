//! What Sallyport is to say of a case. Where the evidence leaves more than one answer honest, all of them are named, the
//! best first; the table shows which it was.

/// How sure a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// A guess among several.
    Low,
    /// The likeliest of several.
    Medium,
    /// Nothing else explains it.
    High,
    /// Known.
    Certain,
}

impl Confidence {
    /// From a record's field.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "low" => Some(Self::Low),
            "medium" => Some(Self::Medium),
            "high" => Some(Self::High),
            "certain" => Some(Self::Certain),
            _ => None,
        }
    }
}

/// An alert and whose it is: number, `sent` or `received`.
pub type Raised = (u8, &'static str);

/// A record.
#[derive(Clone, Debug)]
pub struct Want {
    /// Causes, the best first.
    pub causes: Vec<&'static str>,
    /// Alerts; none of them if empty.
    pub alerts: Vec<Raised>,
    /// A record without an alert will do as well.
    pub or_no_alert: bool,
    /// Whose move it is; any of these.
    pub owners: Vec<&'static str>,
    /// At least so sure.
    pub least: Confidence,
    /// The phase, where it is certain.
    pub phase: Option<&'static str>,
    /// What the client gets to see over HTTP: status and fault code. `None`: no answer at all (northbound), or 503
    /// `SslHandshakeFailed` (southbound).
    pub answer: Option<(u16, &'static str)>,
    /// Why so, where it is not obvious.
    pub why: &'static str,
}

/// What is to be there for a case.
#[derive(Clone, Debug)]
pub enum Expect {
    /// No record. The status the client gets, if any, and why there is no failure.
    Nothing(Option<u16>, &'static str),
    /// One.
    Record(Want),
}

/// A record of this cause: known, no alert, nobody's move yet.
pub fn want(cause: &'static str) -> Want {
    Want {
        causes: vec![cause],
        alerts: Vec::new(),
        or_no_alert: false,
        owners: Vec::new(),
        least: Confidence::Certain,
        phase: None,
        answer: None,
        why: "",
    }
}

impl Want {
    /// Or this cause.
    #[must_use]
    pub fn or(mut self, cause: &'static str) -> Self {
        self.causes.push(cause);
        self
    }

    /// With this alert of ours.
    #[must_use]
    pub fn sent(mut self, number: u8) -> Self {
        self.alerts.push((number, "sent"));
        self
    }

    /// With this alert of the peer's.
    #[must_use]
    pub fn received(mut self, number: u8) -> Self {
        self.alerts.push((number, "received"));
        self
    }

    /// Or without an alert.
    #[must_use]
    pub const fn or_no_alert(mut self) -> Self {
        self.or_no_alert = true;
        self
    }

    /// Whose move it is. More than one: any.
    #[must_use]
    pub fn owner(mut self, owner: &'static str) -> Self {
        self.owners.push(owner);
        self
    }

    /// At least high.
    #[must_use]
    pub const fn high(mut self) -> Self {
        self.least = Confidence::High;
        self
    }

    /// At least medium.
    #[must_use]
    pub const fn medium(mut self) -> Self {
        self.least = Confidence::Medium;
        self
    }

    /// Any confidence.
    #[must_use]
    pub const fn low(mut self) -> Self {
        self.least = Confidence::Low;
        self
    }

    /// In this phase.
    #[must_use]
    pub const fn phase(mut self, phase: &'static str) -> Self {
        self.phase = Some(phase);
        self
    }

    /// In no phase in particular.
    #[must_use]
    pub const fn any_phase(mut self) -> Self {
        self.phase = None;
        self
    }

    /// And the client sees this.
    #[must_use]
    pub const fn answer(mut self, status: u16, code: &'static str) -> Self {
        self.answer = Some((status, code));
        self
    }

    /// Says why.
    #[must_use]
    pub const fn because(mut self, why: &'static str) -> Self {
        self.why = why;
        self
    }
}

impl From<Want> for Expect {
    fn from(want: Want) -> Self {
        Self::Record(want)
    }
}
