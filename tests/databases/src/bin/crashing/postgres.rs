//! What is done, on postgres.

type Conn = diesel::PgConnection;

#[path = "play.rs"]
pub(super) mod play;
