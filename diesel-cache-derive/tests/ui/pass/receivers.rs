use std::sync::Mutex;

use diesel::prelude::*;
use diesel_cache::{
    Cache, CacheInvalidate, PostCommit, PostDelete, PostSave, PreDelete, PreSave,
};

diesel::table! {
    posts (id) {
        id -> Integer,
        title -> Text,
    }
}

static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn tell(what: &str) {
    TOLD.lock().unwrap().push(what.into());
}

#[derive(Clone, Identifiable, AsChangeset, CacheInvalidate)]
#[cache(
    pre_save = Post::check,
    post_save = [audit::saved, any::<Post>],
    pre_delete = declare,
    post_delete = self::audit::deleted,
    post_commit = index,
)]
struct Post {
    id: i32,
    title: String,
}

impl Post {
    fn check(_: &PreSave<'_, Self>) -> QueryResult<()> {
        tell("check");
        Ok(())
    }
}

mod audit {
    use super::*;

    pub(super) fn saved(event: &PostSave<'_, Post>) -> QueryResult<()> {
        tell(&event.instance.title);
        Ok(())
    }

    pub(super) fn deleted(_: &PostDelete<'_, Post>) -> QueryResult<()> {
        tell("deleted");
        Ok(())
    }
}

fn any<M>(_: &PostSave<'_, M>) -> QueryResult<()> {
    tell("any");
    Ok(())
}

fn declare(_: &PreDelete<'_, Post>) -> QueryResult<()> {
    tell("declare");
    Ok(())
}

fn index(_: &PostCommit<'_, Post>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    tell("index");
    Ok(())
}

fn main() {
    let cache = Cache::from_url("memory://").unwrap();
    let signals = cache.signals();
    cache.on_post_save::<Post>(|_| {
        tell("later");
        Ok(())
    });
    cache.register::<Post>();
    let post = Post {
        id: 1,
        title: "saved".into(),
    };
    signals.pre_save::<Post>().send(&PreSave::new(Some(&post), false)).unwrap();
    signals.post_save::<Post>().send(&PostSave::new(&post, false)).unwrap();
    signals.pre_delete::<Post>().send(&PreDelete::new(&post)).unwrap();
    signals.post_delete::<Post>().send(&PostDelete::new(&post)).unwrap();
    let change = diesel_cache::signal::Change::Saved;
    signals.post_commit::<Post>().send(&PostCommit::new(&post, change)).unwrap();
    assert_eq!(
        *TOLD.lock().unwrap(),
        ["check", "saved", "any", "later", "declare", "deleted", "index"]
    );
}
