//! The client against a minimal server.

use std::{
    io::{Read, Write},
    net::TcpListener,
};

use super::*;
use crate::traffic::{Repeated, get};

/// Responses every request with its path as the status: `GET /401`.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            socket.set_nodelay(true).unwrap();
            std::thread::spawn(move || {
                let mut request = [0; 1024];
                // A pause of 50 ms ends the connection, as keep-alive does after longer ones.
                socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
                while let Ok(read @ 1..) = socket.read(&mut request) {
                    let text = String::from_utf8_lossy(&request[..read]).into_owned();
                    let status = text.get(5..8).unwrap();
                    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok");
                    let (first, rest) = answer.split_at(9);
                    socket.write_all(first.as_bytes()).unwrap();
                    socket.write_all(rest.as_bytes()).unwrap();
                }
            });
        }
    });
    address
}

fn stream(to: SocketAddr, pace: Pace, requests: &mut dyn Requests) -> Stream<'_> {
    Stream { to: vec![to], from: None, connections: 4, pace, requests }
}

#[test]
fn every_request_is_answered_once() {
    let to = server();
    let mut requests = Repeated::once((0..500).map(|_| get("/200")), 200);
    let answers = run(vec![stream(to, Pace::Saturated, &mut requests)], || true).unwrap();
    let [answers] = answers.as_slice() else { panic!("one stream") };
    assert_eq!((answers.count, answers.unexpected.len()), (500, 0));
    assert!(answers.latencies.at(0.5) > Duration::ZERO);
}

#[test]
fn an_unexpected_status_fails_the_stream() {
    let to = server();
    let mut requests = Repeated::once([get("/200"), get("/503")], 200);
    let answers = run(vec![stream(to, Pace::Saturated, &mut requests)], || true).unwrap();
    let refused = answers.into_iter().next().unwrap().all_expected();
    assert!(refused.unwrap_err().to_string().contains("503"));
}

#[test]
fn a_paced_stream_keeps_its_pace() {
    let to = server();
    let mut requests = Repeated::in_order([get("/200")], 200);
    let answers = run_for(
        Stream { from: Some([127, 0, 0, 2].into()), ..stream(to, Pace::PerSecond(500.0), &mut requests) },
        Duration::from_millis(400),
    )
    .unwrap();
    assert!((50..=200).contains(&answers.count), "{}", answers.count);
}

#[test]
fn a_connection_that_was_closed_while_idle_is_opened_again() {
    let to = server();
    let mut requests = Repeated::in_order([get("/200")], 200);
    let slow = Stream::paced(to, 1, 8.0, &mut requests);
    let answers = run_for(slow, Duration::from_millis(600)).unwrap();
    assert!(answers.count >= 2, "{}", answers.count);
}
