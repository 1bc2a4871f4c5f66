use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
struct Post {
    id: i32,
    #[diesel(column_name = "two words")]
    title: String,
}

fn main() {}
