//! The processor time of another process, from the kernel's own account.

use crate::Failure;

/// Processor time is counted in hundredths of a second (`USER_HZ`, the same on every Linux that Rust runs on).
const TICK_US: u64 = 10_000;

/// Microseconds that a process has spent on the processors, in its own code and in the kernel for it.
pub(crate) fn cpu_us(pid: u32) -> Result<u64, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    ticks(&stat).map(|ticks| ticks * TICK_US).ok_or_else(|| "/proc has another form".into())
}

/// The same of all processes of a name that run now: the backends of PostgreSQL, say, one for each connection.
pub(crate) fn cpu_us_named(name: &str) -> Result<u64, Failure> {
    let mut sum = 0;
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        // A process may end while it is looked at.
        let is_named = std::fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim_end() == name);
        if is_named && let Ok(stat) = std::fs::read_to_string(path.join("stat")) {
            sum += ticks(&stat).unwrap_or(0) * TICK_US;
        }
    }
    Ok(sum)
}

/// Has the kernel count the peak of a process's memory from now on (proc(5), `clear_refs`).
pub(crate) fn forget_peak(pid: u32) -> Result<(), Failure> {
    Ok(std::fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// The most memory that a process has had at once, in KiB (`VmHWM`).
pub(crate) fn peak_kib(pid: u32) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.ok_or_else(|| "/proc has another form".into())
}

/// `utime` and `stime`, fields 14 and 15 (proc(5)). The name before them, in parentheses, may hold spaces.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_the_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 90 0 0 0 30 12 0 0 20 0 9 0 5 6 7";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("7 (a) S 1"), None);
    }

    #[test]
    fn work_costs_time() {
        let before = cpu_us(std::process::id()).unwrap();
        let begun = std::time::Instant::now();
        while begun.elapsed().as_millis() < 60 {
            std::hint::spin_loop();
        }
        assert!(cpu_us(std::process::id()).unwrap() > before);
    }
}
