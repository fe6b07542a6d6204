//! What a policy does with the calls that go out: in process, and with an agent beside.

mod balancing;
mod following;
mod position;
mod routing;
