//! The proxy, in front of a server that sends back what it gets.

#![allow(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use diesel_cache_faults::{Mode, Proxy};

const SOON: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(10);

/// A server that tells of each byte it gets, and sends it back.
fn echo() -> (SocketAddr, Receiver<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, seen) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let sender = sender.clone();
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut byte = [0];
                while matches!(stream.read(&mut byte), Ok(1)) {
                    if sender.send(byte[0]).is_err() || stream.write_all(&byte).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, seen)
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

fn ask(stream: &mut TcpStream, byte: u8) -> std::io::Result<u8> {
    stream.write_all(&[byte])?;
    answer(stream)
}

fn answer(stream: &mut TcpStream) -> std::io::Result<u8> {
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    Ok(answer[0])
}

/// Whether nothing comes for a while.
fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(SOON)).unwrap();
    let error = answer(stream).unwrap_err();
    stream.set_read_timeout(Some(LONG)).unwrap();
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[test]
fn what_passes_comes_through() {
    let (server, _seen) = echo();
    let proxy = Proxy::start(server).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(ask(&mut stream, 1).unwrap(), 1);
    assert_eq!(proxy.connections(), 1);
    drop(stream);
    let mut again = connect(&proxy);
    assert_eq!(ask(&mut again, 2).unwrap(), 2);
    assert_eq!(proxy.accepted(), 2);
}

#[test]
fn a_delay_counts_in_each_direction() {
    let (server, _seen) = echo();
    let proxy = Proxy::start(server).unwrap();
    let mut stream = connect(&proxy);
    proxy.set(Mode::Delay(SOON));
    let began = Instant::now();
    assert_eq!(ask(&mut stream, 1).unwrap(), 1);
    // A lower bound: however slow the machine is, it is kept.
    assert!(began.elapsed() >= 2 * SOON);
}

#[test]
fn what_is_held_comes_later() {
    let (server, seen) = echo();
    let proxy = Proxy::start(server).unwrap();
    let mut stream = connect(&proxy);
    proxy.set(Mode::Hold);
    stream.write_all(&[1]).unwrap();
    assert!(is_silent(&mut stream));
    assert!(seen.try_recv().is_err());
    proxy.set(Mode::Pass);
    assert_eq!(seen.recv_timeout(LONG).unwrap(), 1);
    assert_eq!(answer(&mut stream).unwrap(), 1);
}

#[test]
fn a_command_is_carried_out_though_its_sender_is_gone() {
    let (server, seen) = echo();
    let proxy = Proxy::start(server).unwrap();
    let mut stream = connect(&proxy);
    proxy.set(Mode::Hold);
    stream.write_all(&[1]).unwrap();
    drop(stream);
    proxy.set(Mode::Pass);
    assert_eq!(seen.recv_timeout(LONG).unwrap(), 1);
}

#[test]
fn held_answers_come_later_and_commands_at_once() {
    let (server, seen) = echo();
    let proxy = Proxy::start(server).unwrap();
    let mut stream = connect(&proxy);
    proxy.set(Mode::HoldAnswers);
    stream.write_all(&[1]).unwrap();
    assert_eq!(seen.recv_timeout(LONG).unwrap(), 1);
    assert!(is_silent(&mut stream));
    proxy.set(Mode::Pass);
    assert_eq!(answer(&mut stream).unwrap(), 1);
}

#[test]
fn what_is_lost_never_comes() {
    let (server, seen) = echo();
    let proxy = Proxy::start(server).unwrap();
    let mut stream = connect(&proxy);
    let mut idle = connect(&proxy);
    assert_eq!(ask(&mut idle, 9).unwrap(), 9);
    assert_eq!(seen.recv_timeout(LONG).unwrap(), 9);
    proxy.set(Mode::Lose);
    stream.write_all(&[1]).unwrap();
    assert!(is_silent(&mut stream));
    assert!(seen.try_recv().is_err());
    proxy.set(Mode::Pass);
    let error = ask(&mut stream, 2).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
        ),
        "{error}"
    );
    // What lost nothing goes on.
    assert_eq!(ask(&mut idle, 3).unwrap(), 3);
}

#[test]
fn lost_answers_belong_to_commands_that_were_carried_out() {
    let (server, seen) = echo();
    let proxy = Proxy::start(server).unwrap();
    let mut stream = connect(&proxy);
    proxy.set(Mode::LoseAnswers);
    stream.write_all(&[1]).unwrap();
    assert_eq!(seen.recv_timeout(LONG).unwrap(), 1);
    assert!(is_silent(&mut stream));
}

#[test]
fn a_cut_resets_what_there_is() {
    let (server, _seen) = echo();
    let proxy = Proxy::start(server).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(ask(&mut stream, 1).unwrap(), 1);
    proxy.cut();
    assert!(ask(&mut stream, 2).is_err());
    assert_eq!(proxy.connections(), 0);
    assert_eq!(ask(&mut connect(&proxy), 3).unwrap(), 3);
}

#[test]
fn nobody_is_accepted_while_it_refuses() {
    let (server, _seen) = echo();
    let proxy = Proxy::start(server).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(ask(&mut stream, 1).unwrap(), 1);
    proxy.set(Mode::Refuse);
    assert!(ask(&mut stream, 2).is_err());
    let error = TcpStream::connect(proxy.address()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    proxy.set(Mode::Pass);
    assert_eq!(ask(&mut connect(&proxy), 3).unwrap(), 3);
}

#[test]
fn it_leads_to_another_server() {
    let (one, seen_by_one) = echo();
    let (two, seen_by_two) = echo();
    let proxy = Proxy::start(one).unwrap();
    let mut first = connect(&proxy);
    assert_eq!(ask(&mut first, 1).unwrap(), 1);
    proxy.lead_to(two);
    assert_eq!(ask(&mut connect(&proxy), 2).unwrap(), 2);
    assert_eq!(ask(&mut first, 3).unwrap(), 3);
    assert_eq!(seen_by_one.try_iter().collect::<Vec<_>>(), [1, 3]);
    assert_eq!(seen_by_two.try_iter().collect::<Vec<_>>(), [2]);
}
