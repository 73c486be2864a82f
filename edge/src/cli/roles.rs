//! `--role`: what a process does. Router and processor come together in this release, which is said here and nowhere else.

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    data_plane: bool,
    control: bool,
}

impl Roles {
    /// The default.
    pub const ALL: Self = Self {
        data_plane: true,
        control: true,
    };

    /// Router and processor: in this release they come together.
    pub const fn data_plane(self) -> bool {
        self.data_plane
    }
    /// Admin API and views.
    pub const fn control(self) -> bool {
        self.control
    }
    /// The roles' names.
    pub fn names(self) -> Vec<&'static str> {
        let data_plane = self
            .data_plane
            .then_some(["router", "processor"])
            .into_iter()
            .flatten();
        data_plane
            .chain(self.control.then_some("control"))
            .collect()
    }

    pub(super) fn read(text: &str) -> Result<Self, String> {
        let (mut router, mut processor, mut control) = (false, false, false);
        for role in text.split(',').map(str::trim) {
            match role {
                "all" => (router, processor, control) = (true, true, true),
                "router" => router = true,
                "processor" => processor = true,
                "control" => control = true,
                _ => {
                    return Err(format!(
                        "`{role}` is no role: router, processor, control, all"
                    ));
                }
            }
        }
        if router != processor {
            return Err(
                "router and processor apart are not in this release: name both, or all".to_owned(),
            );
        }
        Ok(Self {
            data_plane: router,
            control,
        })
    }
}
