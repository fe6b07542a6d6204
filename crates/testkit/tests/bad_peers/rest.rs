//! A REST client that reads more slowly than it is answered.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{KIB, MIB, STREAMING_OUTPUT, under_attack, victim};

/// Sixteen thousand messages, which are a gigabyte and as JSON a third more.
const MESSAGES: usize = 16 * 1024;
const MESSAGE: usize = 64 * KIB as usize;

/// The client pauses whenever it has read this much.
const PAUSE_AFTER: usize = 32 * MIB as usize;

/// What the whole server may hold, its program included.
const MOST: u64 = 32 * MIB;

#[tokio::test]
async fn a_gigabyte_is_never_held() {
    let victim = victim(&[]);
    let attack = async {
        let parameters = vec![format!("{{\"size\":{MESSAGE}}}"); MESSAGES].join(",");
        let body = format!("{{\"responseParameters\":[{parameters}]}}");
        let head = format!(
            "POST {STREAMING_OUTPUT} HTTP/1.1\r\nhost: victim\r\nconnection: close\r\n\
            content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(victim.addr()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut buffer = vec![0; 64 * KIB as usize];
        let (mut read, mut end) = (0, Vec::new());
        loop {
            let more = stream.read(&mut buffer).await.unwrap();
            if more == 0 {
                break;
            }
            let chunk = &buffer[..more];
            end.extend_from_slice(chunk);
            end.drain(..end.len().saturating_sub(100));
            if (read + more) / PAUSE_AFTER > read / PAUSE_AFTER {
                // Slowness itself, not a wait for anything.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            read += more;
        }
        assert!(end.ends_with(b"}}}\n\r\n0\r\n\r\n"), "{}", String::from_utf8_lossy(&end));
        assert!(read > MESSAGES * MESSAGE * 4 / 3, "{read} bytes");
    };
    under_attack(&victim, MOST, attack).await;
    let peak = victim.peak_memory().unwrap();
    println!("{} KiB at the most", peak / KIB);
    assert!(peak < MOST, "{peak} bytes");
}
