//! How a command ends when it does not succeed, and its exit status.

use std::io;
use std::process::ExitCode;

use crate::datasets::DatasetError;
use crate::experiment::ExperimentError;
use crate::model::ModelError;
use crate::paths::NoHome;
use crate::runlog::RunLogError;
use crate::session::live::SessionError;

/// Why a command did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// What the user gave cannot be used: status 2.
    Input(anyhow::Error),
    /// It could not be done: status 1.
    Failed(anyhow::Error),
    /// All there is to say was said; the command ends with this status.
    Told(u8),
    /// This signal ended the process that trained: status 128 plus its number, as in a shell.
    Killed(i32),
    /// A signal or the user ended it: status 130.
    Interrupted,
    /// The reader of the output closed the pipe, which is not an error.
    OutputClosed,
}

impl Failure {
    /// The message for the user.
    pub(super) fn message(&self) -> Option<String> {
        match self {
            Failure::Input(error) | Failure::Failed(error) => Some(format!("{error:#}")),
            Failure::Killed(signal) => {
                let name = signal_hook::low_level::signal_name(*signal).unwrap_or("a signal");
                Some(format!(
                    "the process that trained was ended by {name}; `skiplane train --resume RUN` continues its run"
                ))
            }
            Failure::Told(_) | Failure::Interrupted | Failure::OutputClosed => None,
        }
    }

    /// The exit status.
    pub(super) fn status(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Input(_) => 2,
            Failure::Failed(_) => 1,
            Failure::Told(status) => *status,
            Failure::Killed(signal) => u8::try_from(128 + signal).unwrap_or(1),
            Failure::Interrupted => 130,
            Failure::OutputClosed => 0,
        })
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::Failed(error.into()),
        }
    }
}

impl From<RunLogError> for Failure {
    fn from(error: RunLogError) -> Failure {
        let missing =
            |e: &io::Error| matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
        match &error {
            RunLogError::Io { cause, .. } if !missing(cause) => Failure::Failed(error.into()),
            _ => Failure::Input(error.into()),
        }
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Failure {
        match error {
            SessionError::Data(error) => error.into(),
            SessionError::Log(error) => error.into(),
            error @ (SessionError::Held { .. } | SessionError::Changed { .. }) => {
                Failure::Input(error.into())
            }
            error @ (SessionError::Lock { .. } | SessionError::Thread { .. }) => {
                Failure::Failed(error.into())
            }
        }
    }
}

macro_rules! bad_input {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Failure {
                Failure::Input(error.into())
            }
        })*
    };
}

bad_input!(DatasetError, ExperimentError, ModelError, NoHome);
