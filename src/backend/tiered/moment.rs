//! Moments on a clock that runs while the process is stopped and while the machine sleeps.

use std::time::Duration;

/// A moment, as the time since some other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(Duration);

impl Moment {
    /// This moment.
    #[cfg(target_os = "linux")]
    // rule: a-sleeping-machine-grows-older
    pub(super) fn now() -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(now.tv_nsec).unwrap_or_default();
        Self(Duration::new(seconds, nanos))
    }

    /// This moment.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn now() -> Self {
        use std::sync::OnceLock;
        use std::time::Instant;
        static BEGIN: OnceLock<Instant> = OnceLock::new();
        Self(BEGIN.get_or_init(Instant::now).elapsed())
    }

    /// How long it is ago; `None` if the clock went back.
    pub(super) fn elapsed(self) -> Option<Duration> {
        Self::now().0.checked_sub(self.0)
    }
}
