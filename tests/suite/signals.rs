//! Signals as such: connecting, sending, disconnecting.

use std::sync::{Arc, Mutex};

use diesel::result::Error;
use diesel_cache::signal::{AnyEvent, Change, Event, Lifecycle, ReceiverError, Sender, Veto};
use diesel_cache::{PostSave, Signal};

use crate::support::{Author, Notes, memory};

/// An event that borrows.
#[derive(Debug)]
struct Said<'a> {
    words: &'a str,
}

impl Event for Said<'static> {
    type Of<'a> = Said<'a>;
    type Error = &'static str;
}

fn signal() -> Arc<Signal<Said<'static>>> {
    Arc::new(Signal::new())
}

fn say(signal: &Signal<Said<'static>>, words: &str) -> Result<(), &'static str> {
    signal.send(&Said { words })
}

#[test]
fn own_signals_tell_own_events() {
    static SAID: Signal<Said<'static>> = Signal::new();
    let notes = Notes::new();
    let told = notes.clone();
    let id = SAID.connect(move |said| {
        told.add(said.words);
        Ok(())
    });
    let words = String::from("hello");
    assert_eq!(say(&SAID, &words), Ok(()));
    assert!(SAID.disconnect(id));
    assert_eq!(say(&SAID, "nobody"), Ok(()));
    assert_eq!(notes.take(), ["hello"]);
}

#[test]
fn receivers_are_told_in_the_order_of_connection() {
    let (signal, notes) = (signal(), Notes::new());
    for name in ["a", "b", "c"] {
        let told = notes.clone();
        signal.connect(move |_| {
            told.add(name);
            Ok(())
        });
    }
    say(&signal, "x").unwrap();
    assert_eq!(notes.take(), ["a", "b", "c"]);
}

#[test]
fn a_dispatch_uid_connects_once() {
    let (signal, notes) = (signal(), Notes::new());
    let connect = |uid: &str, name: &'static str| {
        let told = notes.clone();
        signal.dispatch_uid(uid).connect(move |_| {
            told.add(name);
            Ok(())
        })
    };
    let first = connect("audit", "first");
    assert_eq!(connect("audit", "second"), first);
    assert_ne!(connect("index", "third"), first);
    say(&signal, "x").unwrap();
    assert_eq!(notes.take(), ["first", "third"]);
    assert!(signal.disconnect_uid("audit"));
    assert!(!signal.disconnect_uid("audit"));
    say(&signal, "x").unwrap();
    assert_eq!(notes.take(), ["third"]);
    // Once it is gone, the name is free.
    assert_ne!(connect("audit", "fourth"), first);
    say(&signal, "x").unwrap();
    assert_eq!(notes.take(), ["third", "fourth"]);
}

#[test]
fn a_dispatch_uid_is_of_one_signal_and_sender() {
    let cache = memory();
    let signals = cache.signals();
    let author = signals.post_save::<Author>();
    let one = author.dispatch_uid("audit").connect(|_| Ok(()));
    let posts = signals.post_save::<crate::support::Post>();
    let other = posts.dispatch_uid("audit").connect(|_| Ok(()));
    assert_ne!(one, other);
    assert!(cache.disconnect(one));
    assert!(posts.has_receivers() && !author.has_receivers());
}

#[test]
fn a_signal_knows_whether_anyone_listens() {
    let signal = signal();
    assert!(!signal.has_receivers());
    let id = signal.connect(|_| Ok(()));
    assert!(signal.has_receivers());
    assert!(signal.disconnect(id));
    assert!(!signal.disconnect(id));
    assert!(!signal.has_receivers());
}

#[test]
fn send_stops_at_the_first_error() {
    let (signal, notes) = (signal(), Notes::new());
    let told = notes.clone();
    signal.connect(move |_| {
        told.add("first");
        Err("no")
    });
    let told = notes.clone();
    signal.connect(move |_| {
        told.add("second");
        Ok(())
    });
    assert_eq!(say(&signal, "x"), Err("no"));
    assert_eq!(notes.take(), ["first"]);
}

#[test]
fn robust_sends_go_on_after_errors_and_panics() {
    let (signal, notes) = (signal(), Notes::new());
    let failing = signal.connect(|_| Err("no"));
    let panicking = signal.connect(|_| std::panic::resume_unwind(Box::new("on purpose")));
    let told = notes.clone();
    let last = signal.connect(move |said| {
        told.add(said.words);
        Ok(())
    });
    let told = signal.send_robust(&Said { words: "x" });
    assert_eq!(notes.take(), ["x"]);
    let ids: Vec<_> = told.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [failing, panicking, last]);
    assert!(matches!(told[0].1, Err(ReceiverError::Error("no"))));
    match &told[1].1 {
        Err(ReceiverError::Panic(payload)) => {
            assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
        }
        other => panic!("{other:?}"),
    }
    assert!(told[2].1.is_ok());
}

#[test]
fn a_panic_in_send_goes_to_the_caller_and_breaks_nothing() {
    let (signal, notes) = (signal(), Notes::new());
    let id = signal.connect(|_| std::panic::resume_unwind(Box::new("on purpose")));
    let told = notes.clone();
    signal.connect(move |_| {
        told.add("second");
        Ok(())
    });
    let sent = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| say(&signal, "x")));
    assert!(sent.is_err());
    assert_eq!(notes.take(), [""; 0]);
    assert!(signal.disconnect(id));
    say(&signal, "x").unwrap();
    assert_eq!(notes.take(), ["second"]);
}

#[test]
fn a_receiver_that_is_connected_while_sending_is_told_next_time() {
    let (signal, notes) = (signal(), Notes::new());
    let (again, told) = (Arc::clone(&signal), notes.clone());
    signal.connect(move |said| {
        told.add(said.words);
        let told = told.clone();
        again.dispatch_uid("late").connect(move |_| {
            told.add("late");
            Ok(())
        });
        Ok(())
    });
    say(&signal, "one").unwrap();
    assert_eq!(notes.take(), ["one"]);
    say(&signal, "two").unwrap();
    assert_eq!(notes.take(), ["two", "late"]);
}

#[test]
fn a_receiver_that_is_disconnected_while_sending_is_told_for_the_last_time() {
    let (signal, notes) = (signal(), Notes::new());
    let ids = Arc::new(Mutex::new(Vec::new()));
    let (again, told, all) = (Arc::clone(&signal), notes.clone(), Arc::clone(&ids));
    let first = signal.connect(move |_| {
        told.add("first");
        // Itself included.
        for id in all.lock().unwrap().drain(..) {
            assert!(again.disconnect(id));
        }
        Ok(())
    });
    let told = notes.clone();
    let second = signal.connect(move |_| {
        told.add("second");
        Ok(())
    });
    ids.lock().unwrap().extend([first, second]);
    say(&signal, "x").unwrap();
    assert_eq!(notes.take(), ["first", "second"]);
    assert!(!signal.has_receivers());
    say(&signal, "x").unwrap();
    assert_eq!(notes.take(), [""; 0]);
}

#[test]
fn a_receiver_may_send_the_signal_that_it_listens_to() {
    let (signal, notes) = (signal(), Notes::new());
    let (again, told) = (Arc::clone(&signal), notes.clone());
    signal.connect(move |said| {
        told.add(said.words);
        if said.words == "outer" {
            say(&again, "inner")?;
        }
        Ok(())
    });
    say(&signal, "outer").unwrap();
    assert_eq!(notes.take(), ["outer", "inner"]);
}

#[test]
fn a_dropped_receiver_may_use_its_signal() {
    struct Farewell(Arc<Signal<Said<'static>>>);
    impl Drop for Farewell {
        fn drop(&mut self) {
            self.0.connect(|_| Err("the last word"));
        }
    }
    let signal = signal();
    let farewell = Farewell(Arc::clone(&signal));
    let id = signal.connect(move |_| {
        let _ = &farewell;
        Ok(())
    });
    assert!(signal.disconnect(id));
    assert_eq!(say(&signal, "x"), Err("the last word"));
}

#[test]
fn events_can_be_sent_by_hand() {
    let cache = memory();
    let notes = Notes::new();
    let told = notes.clone();
    cache.on_post_save::<Author>(move |event| {
        told.add(&event.instance.name);
        assert!(event.created && event.changed.is_none());
        let conn = event.with_connection(|_: &mut diesel::SqliteConnection| Ok(()));
        assert!(matches!(conn, Err(Error::QueryBuilderError(_))));
        Ok(())
    });
    let author = Author {
        id: 1,
        name: "Ada".into(),
    };
    let signal = cache.signals().post_save::<Author>();
    signal.send(&PostSave::new(&author, true)).unwrap();
    assert_eq!(notes.take(), ["Ada"]);

    let any = cache.signals().any(Lifecycle::PostDelete);
    let told = notes.clone();
    any.connect(move |event| {
        let author: &Author = event.instance_of().unwrap();
        told.add(&format!("{} of {}", author.name, event.sender.table));
        assert!(event.instance_of::<String>().is_none());
        Ok(())
    });
    let sender = Sender::of::<Author>("authors");
    let event = AnyEvent::new(
        Lifecycle::PostDelete,
        sender,
        Some(&author),
        Change::Deleted,
    );
    any.send(&event).unwrap();
    assert_eq!(notes.take(), ["Ada of authors"]);
}

#[test]
fn a_veto_is_known_from_other_errors() {
    let error: Error = Veto::new(format!("closed on {}", "Sunday")).into();
    assert_eq!(Veto::of(&error).unwrap().reason(), "closed on Sunday");
    assert!(Veto::of(&Error::QueryBuilderError("closed".into())).is_none());
}

#[test]
fn many_threads_connect_send_and_disconnect() {
    let signal = signal();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let id = signal.connect(|_| Ok(()));
                    say(&signal, "x").unwrap();
                    assert!(signal.disconnect(id));
                }
            });
        }
    });
    assert!(!signal.has_receivers());
}
