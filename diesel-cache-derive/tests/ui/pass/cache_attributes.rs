use diesel_cache::{CacheInvalidate, CacheModel};

use std::time::Duration;

mod schema {
    diesel::table! {
        posts (id) {
            id -> Integer,
        }
    }

    diesel::table! {
        authors (id) {
            id -> Integer,
        }
    }

    diesel::table! {
        tags (id) {
            id -> Integer,
        }
    }
}

use schema::{authors, posts};

#[derive(CacheInvalidate)]
#[cache(ttl = "1h 30m 250ms")]
#[cache(depends_on(authors, self::schema::tags, "Audit_Log",),)]
struct Post {
    id: i32,
}

#[derive(CacheInvalidate)]
#[diesel(table_name = posts)]
#[cache(never)]
struct Secret {
    id: i32,
}

#[derive(CacheInvalidate)]
#[cache()]
struct Author {
    id: i32,
}

const _: () = assert!(Secret::NEVER && !Post::NEVER && !Author::NEVER);

fn main() {
    assert_eq!(Post { id: 1 }.id + Secret { id: 1 }.id, Author { id: 2 }.id);
    assert_eq!(Post::TTL, Some(Duration::from_millis(5_400_250)));
    assert_eq!(Post::DEPENDS_ON, ["authors", "tags", "audit_log"]);
    assert_eq!(Secret::TTL, None);
}
