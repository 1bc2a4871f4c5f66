//! The signals of a model.

use std::sync::Arc;

use diesel::result::QueryResult;

use crate::cache::Cache;
use crate::model::CacheModel;
use crate::signal::{
    PostCommit, PostDelete, PostSave, PostWrite, PreDelete, PreSave, ReceiverConnection,
    ReceiverId, Signal, Signals,
};

impl Signals {
    /// Sent before every `save` and `create` of `M`, inside of its transaction.
    #[must_use]
    pub fn pre_save<M: CacheModel>(&self) -> Arc<Signal<PreSave<'static, M>>> {
        self.declare::<M>();
        self.of()
    }

    /// Sent after every `save` and `create` of `M`, inside of its transaction.
    #[must_use]
    pub fn post_save<M: CacheModel>(&self) -> Arc<Signal<PostSave<'static, M>>> {
        self.declare::<M>();
        self.of()
    }

    /// Sent before every `delete` of `M`, inside of its transaction.
    #[must_use]
    pub fn pre_delete<M: CacheModel>(&self) -> Arc<Signal<PreDelete<'static, M>>> {
        self.declare::<M>();
        self.of()
    }

    /// Sent after every `delete` of `M`, inside of its transaction.
    #[must_use]
    pub fn post_delete<M: CacheModel>(&self) -> Arc<Signal<PostDelete<'static, M>>> {
        self.declare::<M>();
        self.of()
    }

    /// Sent robustly after the commit of every `save`, `create` and `delete` of `M`, and
    /// after what was cached of it is invalidated.
    ///
    /// The model is cloned when it is written, if anyone listens then.
    #[must_use]
    pub fn post_commit<M: CacheModel + Clone + Send>(&self) -> Arc<Signal<PostCommit<'static, M>>> {
        self.declare::<M>();
        self.commits()
    }
}

/// What a receiver that can change nothing any more returns.
type Told = Result<(), Box<dyn std::error::Error + Send + Sync>>;

impl Cache {
    /// Connects a receiver that is told before every `save` and `create` of `M`.
    ///
    /// An error that it returns is a veto: the statement does not run, nothing is
    /// written, and `save` or `create` returns the error.
    pub fn on_pre_save<M: CacheModel>(
        &self,
        receiver: impl Fn(&PreSave<'_, M>) -> QueryResult<()> + Send + Sync + 'static,
    ) -> ReceiverId {
        self.signals().pre_save::<M>().connect(receiver)
    }

    /// Connects a receiver that is told of every `save` and `create` of `M`.
    ///
    /// It runs after the statement and inside its transaction: an error that it
    /// returns undoes the write. Receivers run in the order in which they were
    /// connected. A plain Diesel statement has no instance, and tells no receiver.
    pub fn on_post_save<M: CacheModel>(
        &self,
        receiver: impl Fn(&PostSave<'_, M>) -> QueryResult<()> + Send + Sync + 'static,
    ) -> ReceiverId {
        self.signals().post_save::<M>().connect(receiver)
    }

    /// Connects a receiver that is told before every `delete` of `M`, under the terms of
    /// [`on_pre_save`](Self::on_pre_save).
    pub fn on_pre_delete<M: CacheModel>(
        &self,
        receiver: impl Fn(&PreDelete<'_, M>) -> QueryResult<()> + Send + Sync + 'static,
    ) -> ReceiverId {
        self.signals().pre_delete::<M>().connect(receiver)
    }

    /// Connects a receiver that is told of every `delete` of `M`, under the terms of
    /// [`on_post_save`](Self::on_post_save).
    pub fn on_post_delete<M: CacheModel>(
        &self,
        receiver: impl Fn(&PostDelete<'_, M>) -> QueryResult<()> + Send + Sync + 'static,
    ) -> ReceiverId {
        self.signals().post_delete::<M>().connect(receiver)
    }

    /// Like [`on_post_save`](Self::on_post_save), and gives the receiver the connection:
    /// what it writes is committed, or rolled back, with the model.
    ///
    /// `C` is the connection's own type, also where it comes from a pool. A save through
    /// a connection of another type fails.
    ///
    /// ```
    /// use diesel::connection::SimpleConnection;
    /// use diesel::prelude::*;
    /// use diesel_cache::{Cache, CacheInvalidate, SaveDsl};
    ///
    /// diesel::table! { posts (id) { id -> Integer, title -> Text } }
    /// diesel::table! { audit (id) { id -> Integer, what -> Text } }
    ///
    /// #[derive(Identifiable, AsChangeset, CacheInvalidate)]
    /// struct Post {
    ///     id: i32,
    ///     title: String,
    /// }
    ///
    /// let cache = Cache::from_url("memory://")?;
    /// cache.on_post_save_with::<Post, SqliteConnection>(|event, conn| {
    ///     let what = format!("post {}: {}", event.instance.id, event.instance.title);
    ///     diesel::insert_into(audit::table)
    ///         .values(audit::what.eq(what))
    ///         .execute(conn)?;
    ///     Ok(())
    /// });
    /// # let mut conn = SqliteConnection::establish(":memory:")?;
    /// # conn.batch_execute("CREATE TABLE posts (id INTEGER PRIMARY KEY, title TEXT NOT NULL);
    /// #     CREATE TABLE audit (id INTEGER PRIMARY KEY, what TEXT NOT NULL);
    /// #     INSERT INTO posts VALUES (1, 'old')")?;
    /// # cache.attach(&mut conn)?;
    /// Post { id: 1, title: "new".into() }.save(&mut conn)?;
    /// assert_eq!(audit::table.select(audit::what).first::<String>(&mut conn)?, "post 1: new");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_post_save_with<M: CacheModel, C: ReceiverConnection>(
        &self,
        receiver: impl Fn(&PostSave<'_, M>, &mut C) -> QueryResult<()> + Send + Sync + 'static,
    ) -> ReceiverId {
        self.on_post_save::<M>(move |event| {
            event.with_connection(|conn: &mut C| receiver(event, conn))
        })
    }

    /// Like [`on_post_delete`](Self::on_post_delete), and gives the receiver the
    /// connection, under the terms of [`on_post_save_with`](Self::on_post_save_with).
    pub fn on_post_delete_with<M: CacheModel, C: ReceiverConnection>(
        &self,
        receiver: impl Fn(&PostDelete<'_, M>, &mut C) -> QueryResult<()> + Send + Sync + 'static,
    ) -> ReceiverId {
        self.on_post_delete::<M>(move |event| {
            event.with_connection(|conn: &mut C| receiver(event, conn))
        })
    }

    /// Connects a receiver that is told of every write of `M` that has committed, after
    /// what was cached of it is invalidated.
    ///
    /// It is not told of what is rolled back, nor of what may or may not have committed:
    /// a connection that was lost in its `COMMIT`. It can change nothing any more: its
    /// errors and panics are counted in
    /// [`Stats::receivers_failed`](crate::Stats::receivers_failed). It runs as
    /// [`on_commit`](Self::on_commit) says: on the thread that commits, whose connection is
    /// still in use.
    pub fn on_post_commit<M: CacheModel + Clone + Send>(
        &self,
        receiver: impl Fn(&PostCommit<'_, M>) -> Told + Send + Sync + 'static,
    ) -> ReceiverId {
        self.signals().post_commit::<M>().connect(receiver)
    }

    /// Connects a receiver that is told of every statement that wrote, on every connection
    /// that this cache is attached to: see [`PostWrite`].
    ///
    /// It can change nothing any more, as [`on_post_commit`](Self::on_post_commit) says.
    pub fn on_post_write(
        &self,
        receiver: impl Fn(&PostWrite<'_>) -> Told + Send + Sync + 'static,
    ) -> ReceiverId {
        self.signals().post_write().connect(receiver)
    }

    /// Disconnects a receiver, whichever signal it listens to. Returns whether it was
    /// connected.
    pub fn disconnect(&self, receiver: ReceiverId) -> bool {
        self.signals().disconnect(receiver)
    }
}
