//! An agent that starts its application, and ends with it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::service::ANY_PORT;

/// An agent with this shell script as its application.
fn wrap(script: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_ahoy"))
        .args(["agent", "--admin", "off", "--outbound", ANY_PORT, "--upstream", "a=127.0.0.1:1"])
        .args(["--", "sh", "-c", script])
        .env("AHOY_LOG", "warn")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn the_applications_exit_code_is_the_agents() {
    assert_eq!(wrap("exit 7").wait().unwrap().code(), Some(7));
    assert_eq!(wrap("kill -KILL $$").wait().unwrap().code(), Some(137));
}

#[test]
fn an_application_that_is_not_there_is_an_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_ahoy"))
        .args(["agent", "--outbound", ANY_PORT, "--upstream", "a=127.0.0.1:1", "--", "/no/such"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot start /no/such"));
}

#[test]
fn a_signal_reaches_the_application() {
    let mut agent = wrap("trap 'exit 9' TERM; echo up; while :; do sleep 0.1; done");
    let lines = BufReader::new(agent.stdout.take().unwrap()).lines();
    let mut said = lines.map(Result::unwrap);
    let mut is_up = [false, false];
    while is_up != [true, true] {
        match said.next().unwrap().as_str() {
            "up" => is_up[0] = true,
            line => is_up[1] |= line.starts_with("agent-outbound listening on "),
        }
    }
    let kill = format!("kill -TERM {}", agent.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert_eq!(agent.wait().unwrap().code(), Some(9));
}

#[test]
fn calls_reach_an_application_that_the_agent_has_started() {
    let port = std::net::TcpListener::bind(ANY_PORT).unwrap().local_addr().unwrap().port();
    let app = format!("127.0.0.1:{port}");
    let ahoy = env!("CARGO_BIN_EXE_ahoy");
    let mut agent = Command::new(ahoy)
        .args(["agent", "--admin", "off", "--inbound", ANY_PORT, "--app", &app])
        .args(["--", ahoy, "greeter", "--admin", "off", "--listen", &app])
        .env("AHOY_LOG", "warn")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(agent.stdout.take().unwrap()).lines();
    let mut said = lines.map(Result::unwrap);
    let inbound =
        said.find_map(|line| Some(line.strip_prefix("agent-inbound listening on ")?.to_owned()));
    let answer = Command::new(ahoy)
        .args(["call", &inbound.unwrap(), "SayHello", "-d", r#"{"name": "Ada"}"#])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "{\"greeting\":\"Hello, Ada!\"}\n");
    let kill = format!("kill -TERM {}", agent.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert_eq!(agent.wait().unwrap().code(), Some(0));
}
