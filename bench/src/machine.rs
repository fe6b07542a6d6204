//! What the figures depend on: the machine and the versions.

use std::fs;
use std::path::Path;

use tokio::process::Command;

use crate::programs::output;

const LOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");

/// What there is to say, by name.
pub(crate) async fn describe() -> Vec<(&'static str, String)> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut git = Command::new("git");
    let commit = version(git.arg("-C").arg(root).args(["describe", "--always", "--dirty"]));
    let lock = read(LOCK);
    vec![
        ("CPU", model.map_or_else(String::new, |(_, model)| model.trim().to_owned())),
        ("cores", cores.to_string()),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("load before", read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned()),
        ("ahoy", format!("{} ({})", env!("CARGO_PKG_VERSION"), commit.await)),
        ("tonic", locked(&lock, "tonic")),
        ("hyper", locked(&lock, "hyper")),
        ("tokio", locked(&lock, "tokio")),
        ("rustc", version(Command::new("rustc").arg("--version")).await),
        ("h2load", version(Command::new("h2load").arg("--version")).await),
    ]
}

/// The version of a package that `Cargo.lock` names.
fn locked(lock: &str, package: &str) -> String {
    let start = format!("name = \"{package}\"\nversion = \"");
    let version = lock.split_once(&start).and_then(|(_, rest)| rest.split('"').next());
    version.unwrap_or("unknown").to_owned()
}

/// What a program that may not be there says.
async fn version(command: &mut Command) -> String {
    let said = output(command.stderr(std::process::Stdio::null())).await.unwrap_or_default();
    let line = said.lines().next().unwrap_or("unknown");
    let name = command.as_std().get_program().to_string_lossy();
    // Some say their name first.
    line.strip_prefix(name.as_ref()).unwrap_or(line).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_by_the_whole_name() {
        let lock = "name = \"tonic-prost\"\nversion = \"1\"\n\nname = \"tonic\"\nversion = \"2\"\n";
        assert_eq!(locked(lock, "tonic"), "2");
        assert_eq!(locked(lock, "onic"), "unknown");
    }
}
