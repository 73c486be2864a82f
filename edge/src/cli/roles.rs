//! `--role`: what a process does.

/// What a process does; at least one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    router: bool,
    processor: bool,
    control: bool,
}

impl Roles {
    /// The default.
    pub const ALL: Self = Self {
        router: true,
        processor: true,
        control: true,
    };

    /// Accepts clients.
    pub const fn router(self) -> bool {
        self.router
    }
    /// Reaches targets.
    pub const fn processor(self) -> bool {
        self.processor
    }
    /// Router or processor without the other: there is a network between them.
    pub const fn are_apart(self) -> bool {
        self.router != self.processor
    }
    /// Admin API and views.
    pub const fn control(self) -> bool {
        self.control
    }
    /// The roles' names.
    pub fn names(self) -> Vec<&'static str> {
        [
            (self.router, "router"),
            (self.processor, "processor"),
            (self.control, "control"),
        ]
        .into_iter()
        .filter_map(|(has, name)| has.then_some(name))
        .collect()
    }

    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut roles = Self {
            router: false,
            processor: false,
            control: false,
        };
        for role in text.split(',').map(str::trim) {
            match role {
                "all" => roles = Self::ALL,
                "router" => roles.router = true,
                "processor" => roles.processor = true,
                "control" => roles.control = true,
                _ => {
                    return Err(format!(
                        "`{role}` is no role: router, processor, control, all"
                    ));
                }
            }
        }
        Ok(roles)
    }
}
