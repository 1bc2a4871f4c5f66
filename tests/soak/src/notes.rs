//! What the library notes, for whoever looks into a run.

/// Set, the library's warnings go to standard error; `debug` shows more.
const VARIABLE: &str = "DIESEL_CACHE_SOAK_LOG";

struct Notes;

impl log::Log for Notes {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let (level, from) = (record.level(), record.target());
        eprintln!("[{}] {level} {from}: {}", std::process::id(), record.args());
    }

    fn flush(&self) {}
}

pub(crate) fn install() {
    let level = match std::env::var(VARIABLE).as_deref() {
        Err(_) => log::LevelFilter::Off,
        Ok("debug") => log::LevelFilter::Debug,
        Ok(_) => log::LevelFilter::Warn,
    };
    if log::set_logger(&Notes).is_ok() {
        log::set_max_level(level);
    }
}
