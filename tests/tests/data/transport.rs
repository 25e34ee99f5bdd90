//! The real transport against a server on this machine.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use saddle_data::{Internet, Transport};

/// Answers one request with these bytes; returns the address and the thread.
fn server(answer: Vec<u8>) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/file.gz", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).unwrap();
        // The client may hang up in the middle of a body that is too long.
        let _ = stream.write_all(&answer);
    });
    (address, thread)
}

fn response(status: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn get(answer: Vec<u8>, limit: u64) -> (Result<Vec<u8>, String>, Vec<(u64, Option<u64>)>) {
    let (address, thread) = server(answer);
    let mut progress = Vec::new();
    let result = Internet::default()
        .get(&address, limit, &mut |so_far, total| progress.push((so_far, total)));
    thread.join().unwrap();
    (result, progress)
}

#[test]
fn brings_a_body_and_says_how_far_it_is() {
    let body: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
    let (result, progress) = get(response("200 OK", &body), 200_000);
    assert_eq!(result.unwrap(), body);
    assert_eq!(progress.last(), Some(&(200_000, Some(200_000))));
    assert!(progress.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

#[test]
fn refuses_a_body_that_is_too_long() {
    let (result, _) = get(response("200 OK", &[7; 1001]), 1000);
    assert!(result.unwrap_err().contains("more than the 1000 bytes"));
}

#[test]
fn an_error_status_and_a_broken_body_are_failures() {
    let (result, _) = get(response("404 Not Found", b"no"), 1000);
    assert!(result.unwrap_err().contains("404"));
    let mut cut = response("200 OK", &[7; 1000]);
    cut.truncate(cut.len() - 500);
    assert!(get(cut, 1000).0.is_err());
}

#[test]
fn a_closed_door_is_a_failure_in_words() {
    // Bound and dropped: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let result = Internet::default().get(&format!("http://127.0.0.1:{port}/"), 10, &mut |_, _| ());
    assert!(!result.unwrap_err().is_empty());
}
