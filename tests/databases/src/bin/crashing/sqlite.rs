//! What is done, on sqlite.

type Conn = diesel::SqliteConnection;

#[path = "play.rs"]
pub(super) mod play;
