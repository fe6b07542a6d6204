//! What protobuf's conformance runner starts: it reads requests from standard input, and writes
//! responses to standard output.

use std::io;

use testkit::protobuf;

fn main() -> anyhow::Result<()> {
    protobuf::serve(io::stdin().lock(), io::stdout().lock())
}
