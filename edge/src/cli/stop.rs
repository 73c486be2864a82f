//! How a subcommand ends early: bad usage (exit code 2) or a failure (1), each with what to print on stderr.

use std::process::ExitCode;

/// Why a subcommand stops.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// The command line, a file or a setting is wrong: exit code 2.
    Usage(String),
    /// It was asked rightly and did not work: exit code 1.
    Failed(String),
}

impl Stop {
    /// Bad usage or configuration.
    pub fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// A failure.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }
}

/// Prints the reason, if there is one, and gives the exit code.
pub fn code(result: Result<ExitCode, Stop>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(Stop::Usage(text)) => {
            eprintln!("sallyport: {text}");
            ExitCode::from(2)
        }
        Err(Stop::Failed(text)) => {
            eprintln!("sallyport: {text}");
            ExitCode::FAILURE
        }
    }
}
