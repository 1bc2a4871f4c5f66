//! Nothing at the place of the derive changes what the impl means.

diesel::table! {
    posts (id) {
        id -> Integer,
    }
}

diesel::table! {
    others (id) {
        id -> Integer,
    }
}

#[no_implicit_prelude]
#[deny(warnings)]
#[allow(dead_code, non_camel_case_types)]
mod hostile {
    mod core {}
    mod std {}
    mod diesel {}
    mod diesel_cache {}
    struct Option;
    struct Duration;
    struct str;
    struct bool;
    struct T;
    fn name_of() {}
    struct Declare;
    struct Ttl;
    fn declare(_: &::diesel_cache::PostSave<'_, Other>) -> ::diesel::QueryResult<()> {
        ::core::result::Result::Ok(())
    }

    #[derive(::diesel_cache::CacheInvalidate)]
    #[diesel(table_name = super::posts)]
    #[cache(ttl = "10m")]
    pub(super) struct Post {
        id: i32,
    }

    #[derive(::diesel_cache::CacheInvalidate)]
    #[diesel(table_name = super::others)]
    #[cache(depends_on(super::posts), version = 1, strategy = "ttl", post_save = declare)]
    pub(super) struct Other
    where
        i32: ::core::marker::Copy,
    {
        id: i32,
    }
}

fn main() {
    use diesel_cache::CacheModel;

    assert!(hostile::Post::TTL.is_some());
    assert_eq!(hostile::Other::DEPENDS_ON, ["posts"]);
}
