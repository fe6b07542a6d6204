//! A stream of a gibibyte in another protocol than gRPC, to a client that takes its time.

use prost::Message;
use testkit::interop::proto::{Payload, ResponseParameters, StreamingOutputCallRequest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{KIB, MIB, STREAMING_OUTPUT, victim};

const MESSAGES: u64 = 1024;

/// All that the server may have in use, with its code.
const LIMIT: u64 = 32 * MIB;

fn request() -> Vec<u8> {
    let size = ResponseParameters { size: MIB as i32, ..Default::default() };
    let request = StreamingOutputCallRequest {
        response_parameters: vec![size; MESSAGES as usize],
        payload: Some(Payload::default()),
        ..Default::default()
    };
    let message = request.encode_to_vec();
    let mut frame = vec![0];
    frame.extend((message.len() as u32).to_be_bytes());
    frame.extend(message);
    frame
}

/// Reads little at a time, and stops now and then to look at the server, which goes on filling
/// whatever there is to fill.
async fn slow_reader(content_type: &str, end: &[u8]) {
    let victim = victim(&[]);
    let mut client = TcpStream::connect(victim.addr()).await.unwrap();
    let body = request();
    let head = format!(
        "POST {STREAMING_OUTPUT} HTTP/1.1\r\nhost: victim\r\ncontent-type: {content_type}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(&body).await.unwrap();

    let (mut read, mut looked) = (0, 0);
    let mut chunk = vec![0; 16 * KIB as usize];
    let mut tail = Vec::new();
    loop {
        let len = client.read(&mut chunk).await.unwrap();
        if len == 0 {
            break;
        }
        read += len as u64;
        if read - looked >= 64 * MIB {
            looked = read;
            // It is stuck on us when it has not grown between two looks.
            let mut before = 0;
            while before != victim.memory().unwrap() {
                before = victim.memory().unwrap();
                tokio::task::yield_now().await;
            }
            assert!(before <= LIMIT, "{before} bytes after {read}");
        }
        tail.extend_from_slice(&chunk[..len]);
        let surplus = tail.len().saturating_sub(256);
        tail.drain(..surplus);
    }
    let peak = victim.peak_memory().unwrap();
    println!("{} MiB read, at most {} KiB in use", read / MIB, peak / KIB);
    assert!(read >= MESSAGES * MIB);
    assert!(tail.windows(end.len()).any(|window| window == end), "{tail:?}");
    assert!(peak <= LIMIT, "{peak} bytes");
}

#[tokio::test]
async fn connect_to_a_slow_reader() {
    slow_reader("application/connect+proto", b"\x02\0\0\0\x02{}").await;
}

#[tokio::test]
async fn grpc_web_to_a_slow_reader() {
    slow_reader("application/grpc-web+proto", b"grpc-status: 0\r\n").await;
}
