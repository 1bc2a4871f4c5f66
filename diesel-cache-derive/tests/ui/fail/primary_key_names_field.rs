use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[diesel(primary_key(uuid))]
struct Post {
    #[diesel(column_name = id)]
    uuid: String,
    title: String,
}

fn main() {}
