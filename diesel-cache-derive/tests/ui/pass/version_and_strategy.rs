use diesel_cache::event::Invalidation;
use diesel_cache::strategy::Strategy;
use diesel_cache::{CacheInvalidate, CacheModel};

diesel::table! {
    posts (id) {
        id -> Integer,
    }
}

#[derive(Debug)]
struct Warm(u8);

static VERY_WARM: Warm = Warm(2);

impl Strategy for Warm {
    fn name(&self) -> &str {
        ["cold", "warm", "very warm"][usize::from(self.0)]
    }

    fn invalidated(&self, _: &str, _: &Invalidation) {}
}

mod unit {
    #[derive(Debug)]
    pub(super) struct Unit;

    impl diesel_cache::strategy::Strategy for Unit {
        fn name(&self) -> &str {
            "unit"
        }
    }
}

macro_rules! models {
    ($($name:ident: $($attribute:meta),*;)*) => {$(
        #[derive(CacheInvalidate)]
        #[diesel(table_name = posts)]
        $(#[$attribute])*
        struct $name {
            id: i32,
        }
    )*};
}

models! {
    Plain: ;
    Versioned: cache(version = 2, strategy = "version");
    Deleted: cache(strategy = "delete"), cache(version = 4294967295);
    Old: cache(strategy = "ttl", ttl = "1m");
    Own: cache(strategy = unit::Unit);
    Static: cache(strategy = self::VERY_WARM);
}

fn main() {
    fn of<M: CacheModel>() -> (u32, &'static str) {
        (M::VERSION, M::STRATEGY.name())
    }
    assert_eq!(of::<Plain>(), (0, "version"));
    assert_eq!(of::<Versioned>(), (2, "version"));
    assert_eq!(of::<Deleted>(), (u32::MAX, "delete"));
    assert_eq!(of::<Old>(), (0, "ttl"));
    assert_eq!(of::<Own>(), (0, "unit"));
    assert_eq!(of::<Static>(), (0, "very warm"));
}
