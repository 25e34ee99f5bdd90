//! Serves a folder to this machine: enough HTTP for a browser, and no more.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};

/// Bytes of a request's head; a browser's take two thousand.
const LONGEST_HEAD: u64 = 64 << 10;

/// Answers until the process ends; prints the address.
pub(super) fn serve(folder: &Path, port: u16) -> anyhow::Result<()> {
    ensure!(folder.join("index.html").is_file(), "{} holds no page", folder.display());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("cannot listen on port {port}; choose another by --port"))?;
    println!("http://{}/", listener.local_addr()?);
    for stream in listener.incoming() {
        // A browser that hangs up in the middle is no failure of ours.
        let Ok(stream) = stream else { continue };
        let folder = folder.to_owned();
        std::thread::spawn(move || {
            let _ = answer(stream, &folder);
        });
    }
    Ok(())
}

/// Answers the requests of one connection, one after the other.
fn answer(mut stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        let mut head = reader.by_ref().take(LONGEST_HEAD);
        if head.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut keep = line.trim_end().ends_with("HTTP/1.1");
        let mut field = String::new();
        while head.read_line(&mut field)? > 0 && !field.trim().is_empty() {
            keep &= !field.to_ascii_lowercase().starts_with("connection: close");
            field.clear();
        }
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let found = place(folder, target).and_then(|path| Some((std::fs::read(&path).ok()?, path)));
        let (status, kind, body) = match (method, found) {
            ("GET" | "HEAD", Some((bytes, path))) => ("200 OK", media_type(&path), bytes),
            ("GET" | "HEAD", None) => ("404 Not Found", "text/plain", b"not found\n".to_vec()),
            _ => ("405 Method Not Allowed", "text/plain", b"only GET\n".to_vec()),
        };
        keep &= status != "405 Method Not Allowed";
        let connection = if keep { "keep-alive" } else { "close" };
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-cache\r\nConnection: {connection}\r\n\r\n",
            body.len()
        )?;
        if method != "HEAD" {
            stream.write_all(&body)?;
        }
        if !keep {
            return Ok(());
        }
    }
}

/// The file that is asked for; none outside the folder.
fn place(folder: &Path, target: &str) -> Option<PathBuf> {
    let path = target.split(['?', '#']).next()?.strip_prefix('/')?;
    let mut place = folder.to_owned();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        // Our files have plain names: what is escaped or points upward is not one of them.
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if part == ".." || !part.chars().all(plain) {
            return None;
        }
        place.push(part);
    }
    if place.is_dir() {
        place.push("index.html");
    }
    Some(place)
}

fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}
