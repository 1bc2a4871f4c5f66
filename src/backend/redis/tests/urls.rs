//! URLs.

use super::address::{Address, Hidden, Place, Topology};

fn parse(url: &str) -> Result<Address, String> {
    let (scheme, body) = url.split_once("://").unwrap();
    Address::parse(scheme, body)
}

fn tcp(host: &str, port: u16) -> Place {
    Place::Tcp(host.to_owned(), port)
}

#[test]
fn a_server() {
    let address = parse("redis://example.org").unwrap();
    assert_eq!(address.topology, Topology::Single);
    assert_eq!(address.places, [tcp("example.org", 6379)]);
    assert_eq!(
        (address.user, address.password, address.database),
        (None, None, 0)
    );
    assert!(!address.tls);
    let address = parse("redis://us%40er:p%3A%2Fw%23@[::1]:7/15").unwrap();
    assert_eq!(address.places, [tcp("::1", 7)]);
    assert_eq!(address.user, Some(Hidden("us@er".to_owned())));
    assert_eq!(address.password, Some(Hidden("p:/w#".to_owned())));
    assert_eq!(address.database, 15);
    let shown = format!("{:?}", parse("redis://:geheim@h/").unwrap());
    assert!(!shown.contains("geheim"), "{shown}");
}

#[test]
fn a_socket() {
    let address = parse("redis+unix:///run/my%20redis.sock").unwrap();
    assert_eq!(address.places, [Place::Unix("/run/my redis.sock".into())]);
    let address = parse("redis+unix://:pw@/run/redis.sock").unwrap();
    assert_eq!(address.password, Some(Hidden("pw".to_owned())));
}

#[cfg(feature = "redis-cluster")]
#[test]
fn a_cluster() {
    let address = parse("redis+cluster://:pw@h1,h2:7001,[::2]:9").unwrap();
    assert_eq!(address.topology, Topology::Cluster);
    assert_eq!(
        address.places,
        [tcp("h1", 6379), tcp("h2", 7001), tcp("::2", 9)]
    );
    assert!(parse("redis+cluster://h1/1").is_err());
    assert!(parse("redis+cluster://h1,").is_err());
}

#[cfg(feature = "redis-sentinel")]
#[test]
fn sentinels() {
    let address = parse("redis+sentinel://h1,h2:7/my%2Fmaster/2").unwrap();
    assert_eq!(address.topology, Topology::Sentinel("my/master".to_owned()));
    assert_eq!(address.places, [tcp("h1", 26379), tcp("h2", 7)]);
    assert_eq!(address.database, 2);
    assert!(parse("redis+sentinel://h1").is_err());
    assert!(parse("redis+sentinel://h1/").is_err());
}

#[cfg(feature = "tls")]
#[test]
fn with_tls() {
    assert!(parse("rediss://host").unwrap().tls);
    assert!(parse("rediss+unix:///run/x").is_err());
}
