#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri};

use super::*;

type List = Vec<(String, String)>;

/// Reads a block as text.
fn read(decoder: &mut Decoder, block: &[u8]) -> Result<List, Undecodable> {
    let mut list = Vec::new();
    decoder.decode(block, |field, size| {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let (name, value) = match field {
            Field::Method(method) => (":method", method.to_string()),
            Field::Scheme(scheme) => (":scheme", scheme.to_string()),
            Field::Authority(authority) => (":authority", authority.to_string()),
            Field::Path(path) => (":path", path.to_string()),
            Field::Status(status) => (":status", status.as_str().to_owned()),
            Field::Length(_, value) => ("content-length", text(value)),
            Field::Header(name, value) => (name.as_str(), text(value)),
            Field::Malformed => ("malformed", String::new()),
        };
        if *field != Field::Malformed {
            assert_eq!(size, name.len() + value.len() + 32);
        }
        list.push((name.to_owned(), value));
        Go::Continue(())
    })?;
    Ok(list)
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn list(text: &[(&str, &str)]) -> List {
    text.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn reads(decoder: &mut Decoder, hex: &str, expected: &[(&str, &str)]) {
    assert_eq!(read(decoder, &bytes(hex)).unwrap(), list(expected), "{hex}");
}

/// RFC 7541, C.2.
#[test]
fn single_fields() {
    let mut decoder = Decoder::new(TABLE_SIZE);
    let decoder = &mut decoder;
    reads(
        decoder,
        "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
        &[("custom-key", "custom-header")],
    );
    reads(decoder, "040c 2f73 616d 706c 652f 7061 7468", &[(":path", "/sample/path")]);
    reads(decoder, "1008 7061 7373 776f 7264 0673 6563 7265 74", &[("password", "secret")]);
    reads(decoder, "82", &[(":method", "GET")]);
    // Only the first was to be kept.
    reads(decoder, "be", &[("custom-key", "custom-header")]);
    assert_eq!(read(decoder, &bytes("bf")), Err(Undecodable));
}

const REQUESTS: [&[(&str, &str)]; 3] = [
    &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")],
    &[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
        ("cache-control", "no-cache"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ],
];

/// RFC 7541, C.3 and C.4.
#[test]
fn requests() {
    for blocks in [
        [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ],
        [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ],
    ] {
        let mut decoder = Decoder::new(TABLE_SIZE);
        for (block, expected) in blocks.iter().zip(REQUESTS) {
            reads(&mut decoder, block, expected);
        }
    }
}

/// RFC 7541, C.5 and C.6, with a table so small that entries go.
#[test]
fn responses_with_evictions() {
    let date =
        [("date", "Mon, 21 Oct 2013 20:13:21 GMT"), ("date", "Mon, 21 Oct 2013 20:13:22 GMT")];
    let rest = [("cache-control", "private"), ("location", "https://www.example.com")];
    let first = [(":status", "302"), rest[0], date[0], rest[1]];
    let second = [(":status", "307"), rest[0], date[0], rest[1]];
    let cookie = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
    let third = [
        (":status", "200"),
        rest[0],
        date[1],
        rest[1],
        ("content-encoding", "gzip"),
        ("set-cookie", cookie),
    ];
    for blocks in [
        [
            "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 \
             303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 \
             6f6d",
            "4803 3330 37c1 c0bf",
            "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 \
             5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 \
             5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
        ],
        [
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b \
             ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
            "4883 640e ffc1 c0bf",
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad \
             94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 \
             65c0 03ed 4ee5 b106 3d50 07",
        ],
    ] {
        let mut decoder = Decoder::new(256);
        reads(&mut decoder, blocks[0], &first);
        reads(&mut decoder, blocks[1], &second);
        reads(&mut decoder, blocks[2], &third);
    }
}

#[test]
fn integers() {
    // C.1.2, 1337 with a prefix of 5 bits, as a size of the table.
    let mut decoder = Decoder::new(TABLE_SIZE);
    reads(&mut decoder, "3f9a0a", &[]);
    // More than can be meant, without end, and cut off.
    for wrong in ["3fffffffff0f", "3fffffffffffffff", "3f", "ff80"] {
        assert_eq!(read(&mut decoder, &bytes(wrong)), Err(Undecodable), "{wrong}");
    }
}

#[test]
fn tables_change_their_size_at_the_beginning_of_a_block_and_no_further_than_allowed() {
    let mut decoder = Decoder::new(100);
    reads(&mut decoder, "4001 6101 62", &[("a", "b")]);
    reads(&mut decoder, "20 3f45", &[]);
    assert_eq!(read(&mut decoder, &bytes("be")), Err(Undecodable));
    assert_eq!(read(&mut decoder, &bytes("82 20")), Err(Undecodable));
    assert_eq!(read(&mut decoder, &bytes("3f46")), Err(Undecodable));
}

#[test]
fn what_is_malformed_keeps_its_place_in_the_table() {
    let mut decoder = Decoder::new(TABLE_SIZE);
    reads(&mut decoder, "4001 5801 62 4001 6101 62", &[("malformed", ""), ("a", "b")]);
    reads(&mut decoder, "be bf", &[("a", "b"), ("malformed", "")]);
}

fn random(rng: &mut fastrand::Rng, most: usize) -> String {
    let length = rng.usize(..most);
    std::iter::repeat_with(|| rng.alphanumeric().to_ascii_lowercase()).take(length).collect()
}

/// What is written is read again, whatever came before, with tables of changing size.
#[test]
fn what_is_written_is_read() {
    for seed in 0..200 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::new(TABLE_SIZE));
        let mut known: List = list(&[("content-type", "application/grpc"), ("grpc-status", "0")]);
        for _ in 0..100 {
            if rng.u8(..10) == 0 {
                encoder.resize(rng.usize(..5000));
            }
            let mut headers = HeaderMap::new();
            let mut expected = List::new();
            for _ in 0..rng.usize(..10) {
                if known.len() < 40 && rng.u8(..4) == 0 {
                    let most = if rng.u8(..20) == 0 { 2000 } else { 40 };
                    known.push((format!("x{}", random(&mut rng, 20)), random(&mut rng, most)));
                }
                let (name, value) = rng.choice(&known).unwrap();
                let mut header = HeaderValue::from_str(value).unwrap();
                header.set_sensitive(rng.u8(..10) == 0);
                headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), header);
            }
            for (name, value) in &headers {
                expected.push((name.to_string(), value.to_str().unwrap().to_owned()));
            }
            let mut block = Vec::new();
            let pseudo = match rng.u8(..3) {
                0 => {
                    let status = rng.u16(100..600);
                    let code = StatusCode::from_u16(status).unwrap();
                    encoder.response(code, &headers, &mut block);
                    vec![(":status".to_owned(), status.to_string())]
                }
                1 => {
                    let path = format!("/{}", random(&mut rng, 3));
                    let uri: Uri = format!("http://host{path}").parse().unwrap();
                    encoder.request(&Method::POST, &uri, &headers, &mut block);
                    let pseudo = [
                        (":method", "POST"),
                        (":scheme", "http"),
                        (":authority", "host"),
                        (":path", &path),
                    ];
                    list(&pseudo)
                }
                _ => {
                    encoder.trailers(&headers, &mut block);
                    Vec::new()
                }
            };
            assert_eq!(read(&mut decoder, &block).unwrap(), [pseudo, expected].concat());
        }
    }
}

#[test]
fn what_comes_again_is_an_index() {
    let mut encoder = Encoder::default();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    let mut lengths = Vec::new();
    for _ in 0..4 {
        let mut block = Vec::new();
        encoder.response(StatusCode::OK, &headers, &mut block);
        lengths.push(block.len());
    }
    assert_eq!(lengths, [20, 19, 2, 2]);
}

#[test]
fn secrets_are_never_indexed() {
    let (mut encoder, mut headers) = (Encoder::default(), HeaderMap::new());
    headers.insert("authorization", HeaderValue::from_static("Bearer x"));
    for _ in 0..3 {
        let mut block = Vec::new();
        encoder.trailers(&headers, &mut block);
        // C.2.3's kind, and the name's static index.
        assert_eq!(block[..2], [0x1f, 23 - 15]);
    }
}

#[test]
fn what_is_of_connections_is_not_written() {
    let (mut encoder, mut headers) = (Encoder::default(), HeaderMap::new());
    for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
        headers.insert(name, HeaderValue::from_static("x"));
    }
    let mut block = Vec::new();
    encoder.trailers(&headers, &mut block);
    assert!(block.is_empty());
}

#[test]
fn noise_is_read_or_refused() {
    for seed in 0..5000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut decoder = Decoder::new(TABLE_SIZE);
        for _ in 0..4 {
            let length = rng.usize(..60);
            let block: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(length).collect();
            if decoder.decode(&block, |_, _| Go::Continue(())).is_err() {
                break;
            }
        }
    }
}
