//! Why a command ended without success, and the exit code that says so.

use std::io;

use tonic::{Code, Status};

/// The end of a command that did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or a message was wrong; nobody but the user can mend it.
    Usage(String),
    /// Something else failed: the connection, the schema, a file.
    Failed(String),
    /// The call ended with a status other than OK.
    Status {
        /// The status as received.
        status: Box<Status>,
        /// Its `google.rpc` details, decoded.
        details: Vec<Detail>,
    },
    /// The reader of stdout went away, as `head` does.
    OutputClosed,
}

/// One message of a status's details.
#[derive(Debug)]
pub(crate) struct Detail {
    /// The full name of its type.
    pub(crate) type_name: String,
    /// Its JSON, indented, or a sentence that says why there is none.
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// The exit code of the process; a gRPC status is 64 and its code, so that scripts can tell.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
            Self::Status { status, .. } => {
                64 + u8::try_from(i32::from(status.code())).unwrap_or(Code::Unknown as u8)
            }
            Self::OutputClosed => 0,
        }
    }
}

/// Errors of stdout.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::OutputClosed
        } else {
            Self::failed(format!("cannot write the output: {error}"))
        }
    }
}

/// The name of a code as the gRPC specification writes it.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
