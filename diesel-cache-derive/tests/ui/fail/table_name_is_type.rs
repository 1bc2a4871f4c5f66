use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[diesel(table_name = crate::schema::posts::table)]
struct Post {
    id: i32,
}

fn main() {}
