//! CPU time and peak memory of this process.

use std::fs;
use std::io::Result;
use std::mem::MaybeUninit;

fn usage() -> libc::rusage {
    let mut usage = MaybeUninit::zeroed();
    // SAFETY: getrusage fills the struct it is given, and all zeroes are a valid one.
    unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    }
}

pub fn cpu_seconds() -> f64 {
    let usage = usage();
    [usage.ru_utime, usage.ru_stime]
        .iter()
        .map(|time| time.tv_sec as f64 + time.tv_usec as f64 / 1e6)
        .sum()
}

/// Reads VmHWM where there is one: ru_maxrss counts what the parent had before exec.
pub fn peak_rss() -> Result<i64> {
    if !fs::exists("/proc/self/status")? {
        return Ok(usage().ru_maxrss);
    }
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|value| value.split_whitespace().next());
    Ok(kilobytes.and_then(|value| value.parse().ok()).unwrap_or(0) * 1024)
}
