//! What is done, on mysql.

type Conn = diesel::MysqlConnection;

#[path = "play.rs"]
pub(super) mod play;
