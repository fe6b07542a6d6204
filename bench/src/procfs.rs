//! What the kernel knows about a process: the CPU time and the memory that it has used.

use std::time::Duration;
use std::{fs, io};

use anyhow::Context;

/// The CPU time of a process since it started, user and system, of all threads that live.
///
/// It is the scheduler's own account, in nanoseconds. The times of `/proc/PID/stat` are in ticks
/// of 10 ms and on some kernels sampled, which is too coarse for services that sleep often.
///
/// # Errors
/// When the process has ended, or the kernel was built without `CONFIG_SCHED_INFO`.
pub fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = thread?.path().join("schedstat");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            // The thread has ended since the folder was read.
            Err(error) if error.raw_os_error() == Some(ESRCH) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if path.parent().is_some_and(|thread| thread.exists()) {
                    anyhow::bail!("this kernel does not account for CPU time in {path:?}");
                }
                continue;
            }
            Err(error) => return Err(error).with_context(|| format!("{path:?}")),
        };
        let on_cpu = text.split_whitespace().next().unwrap_or_default();
        nanos += on_cpu.parse::<u64>().with_context(|| format!("{path:?}: {text:?}"))?;
    }
    Ok(Duration::from_nanos(nanos))
}

const ESRCH: i32 = 3;

/// The memory of a process, in KiB.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// What is resident now, files mapped included.
    pub resident: u64,
    /// The most that was ever resident.
    pub peak: u64,
}

/// How much memory a process uses.
///
/// # Errors
/// When the process has ended.
pub fn memory(pid: u32) -> anyhow::Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| path.clone())?;
    let kib = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        value.trim_end_matches("kB").trim().parse().ok()
    };
    kib("VmRSS:")
        .zip(kib("VmHWM:"))
        .map(|(resident, peak)| Memory { resident, peak })
        .with_context(|| format!("{path} names no memory"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn work_takes_cpu_time_and_memory_has_a_peak() {
        let pid = std::process::id();
        let before = cpu_time(pid).unwrap();
        // The account moves at the latest when the scheduler's tick comes by.
        while cpu_time(pid).unwrap() == before {}
        let memory = memory(pid).unwrap();
        assert!(0 < memory.resident && memory.resident <= memory.peak);
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(cpu_time(u32::MAX).is_err());
        assert!(memory(u32::MAX).is_err());
    }
}
