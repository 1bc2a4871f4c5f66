use diesel_cache::CacheInvalidate;

#[derive(CacheInvalidate)]
#[diesel(table_name = "posts", primary_key(id, revision, id))]
#[cache(ttl = "never", nevr, table = "", depends_on(1, "public.tags", "tags", "tags"), ttl = 5)]
struct Post<'a, T> {
    id: i32,
    #[cache(ttl = "1m")]
    title: &'a str,
    body: T,
}

fn main() {}
