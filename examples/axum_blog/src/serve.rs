//! Listening, and ending cleanly.

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// Serves the application on this machine only, and says where on standard output. At Ctrl-C or
/// SIGTERM it accepts no more, and gives what is under way that long to end.
///
/// # Errors
/// If the port cannot be listened at.
pub(crate) async fn until_told(app: Router, port: u16, patience: Duration) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    writeln!(io::stdout(), "http://{}/", listener.local_addr()?)?;

    let (tell, told) = oneshot::channel::<()>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async {
        // An error is word of the end, too.
        let _ = told.await;
    });
    let mut server = tokio::spawn(server.into_future());
    tokio::select! {
        ended = &mut server => return ended?,
        () = either(&mut interrupt, &mut terminate) => drop(tell),
    }
    match tokio::time::timeout(patience, server).await {
        Ok(ended) => ended?,
        Err(_) => {
            eprintln!("warning: some visitors were not served to the end");
            Ok(())
        }
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
