//! Flags and their variables: what they default to, and what is said when they cannot be.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use crate::service::ANY_PORT;

fn ahoy(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ahoy"));
    command.args(args).env_remove("AHOY_LISTEN").env_remove("AHOY_ADMIN").env("AHOY_LOG", "warn");
    command
}

fn errors(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn an_address_in_use_is_told_once_and_by_what_it_is_for() {
    let taken = TcpListener::bind(ANY_PORT).unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for args in [
        &["greeter", "--listen", ANY_PORT, "--admin", &taken][..],
        &["up", "--greeter", ANY_PORT, "--caller", ANY_PORT, "--greeter-admin", &taken],
    ] {
        let error = errors(&ahoy(args).output().unwrap());
        assert_eq!(error.matches("cannot listen").count(), 1, "{error}");
        assert!(error.contains(&format!("{taken}, the admin port (AHOY_ADMIN;")), "{error}");
        assert_eq!(error.contains("--greeter-admin"), args[0] == "up", "{error}");
    }
    let error = errors(&ahoy(&["greeter", "--listen", &taken]).output().unwrap());
    assert!(!error.contains("admin"), "{error}");
}

#[test]
fn a_mock_has_an_admin_port_only_if_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.proto"), "syntax = \"proto3\";").unwrap();
    let folder = folder.path().to_str().unwrap();
    for admin in [None, Some(ANY_PORT)] {
        let mut mock = ahoy(&["mock", folder, "--listen", ANY_PORT, "--no-watch"]);
        mock.envs(admin.map(|addr| ("AHOY_ADMIN", addr))).stdout(Stdio::piped());
        let mut mock = mock.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(mock.stdout.take().unwrap()).read_line(&mut line).unwrap();
        mock.kill().unwrap();
        mock.wait().unwrap();
        assert!(line.starts_with("mock listening on 127.0.0.1:"), "{line}");
        assert_eq!(line.contains("admin on"), admin.is_some(), "{line}");
    }
}

#[test]
fn help_has_the_defaults() {
    for (command, defaults) in [
        ("greeter", ["0.0.0.0:50051", "127.0.0.1:9901"]),
        ("caller", ["0.0.0.0:50052", "127.0.0.1:9902"]),
        ("mock", ["127.0.0.1:50051", "off"]),
    ] {
        let help = ahoy(&[command, "--help"]).env("AHOY_HELLO", "http://a").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        let words: Vec<_> = help.split_whitespace().collect();
        let help = words.join(" ");
        for (variable, default) in ["AHOY_LISTEN", "AHOY_ADMIN"].iter().zip(defaults) {
            assert!(help.contains(&format!("[env: {variable}] [default: {default}]")), "{help}");
        }
        assert!(!help.contains("http://a "), "{help}");
    }
}

#[test]
fn what_a_flag_cannot_be_is_told_with_what_it_can() {
    for (args, told) in [
        (&["greeter", "--listen", ":52099"][..], "'--listen <ADDR>': expected an IP address"),
        (&["mock", "no-such-folder"], "'[FOLDER]': there is no such folder"),
        (&["test", "localhost:1", "--proto", "nowhere"], "'--proto <DIR>': there is no such"),
        (&["docs", "--out", "x", "-I", "."], "--proto <DIR>"),
    ] {
        let error = errors(&ahoy(args).output().unwrap());
        assert!(error.contains(told), "{error}");
    }
    let named = ahoy(&["greeter"]).env("AHOY_LISTEN", "localhost:52099").output().unwrap();
    assert!(errors(&named).contains("names are not looked up"), "{named:?}");
    let mut lost = ahoy(&["greeter", "--listen", ANY_PORT, "--admin", "off"]);
    lost.env("AHOY_TLS_CERT", "/nowhere").env("AHOY_TLS_KEY", "/nowhere");
    let error = errors(&lost.output().unwrap());
    assert_eq!(error.matches("cannot read /nowhere").count(), 1, "{error}");
    assert!(error.contains("AHOY_TLS_CERT"), "{error}");
}
