use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use h2::Reason;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{sleep, timeout};
use tonic::Code;

use super::frame::{self, FRAME_HEADER, Frame, PREFACE, flag, kind, setting};
use super::hpack;

/// After this a test fails rather than hangs; nothing that is tested takes as long.
const PATIENCE: Duration = Duration::from_secs(40);

/// One end of an HTTP/2 connection that says what it is told to, and no more.
pub struct Peer {
    reader: Reader,
    writer: OwnedWriteHalf,
}

struct Reader {
    half: OwnedReadHalf,
    buffer: Vec<u8>,
    go_away: Option<Reason>,
}

/// How the other end ended a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With GOAWAY; the last one, if several.
    GoAway(Reason),
    /// Without a word of HTTP/2.
    Closed,
    /// It did not: see what the test waits for.
    Hangs,
}

/// What came on one stream.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// All headers and trailers, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The bytes of the body.
    pub data: Vec<u8>,
    /// The code of the RST_STREAM that ended it, if one did.
    pub reset: Option<Reason>,
    /// How the connection ended, if it did so before the stream.
    pub lost: Option<End>,
}

impl Peer {
    /// Connects, and says nothing.
    ///
    /// # Errors
    /// As the system gives them.
    pub async fn connect(addr: SocketAddr) -> io::Result<Self> {
        Self::on(TcpStream::connect(addr).await?)
    }

    /// Takes a connection over.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn on(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let (half, writer) = stream.into_split();
        Ok(Self { reader: Reader { half, buffer: Vec::new(), go_away: None }, writer })
    }

    /// Connects as a client that behaves: the preface, these settings, and theirs acknowledged.
    ///
    /// # Errors
    /// As the system gives them; UnexpectedEof when the server does not do its part.
    pub async fn greet(addr: SocketAddr, settings: &[(u16, u32)]) -> io::Result<Self> {
        let mut peer = Self::connect(addr).await?;
        peer.write(PREFACE).await?;
        peer.settle(settings).await?;
        Ok(peer)
    }

    /// Behaves as a server up to the first request, and gives its stream.
    ///
    /// # Errors
    /// As the system gives them; UnexpectedEof when the client does not do its part.
    pub async fn welcome(&mut self, settings: &[(u16, u32)]) -> io::Result<u32> {
        self.preface().await?;
        self.settle(settings).await?;
        let request = self.find(|frame| frame.kind == kind::HEADERS).await;
        Ok(request.map_err(|_| io::ErrorKind::UnexpectedEof)?.stream)
    }

    /// Reads a client's preface.
    ///
    /// # Errors
    /// As the system gives them.
    pub async fn preface(&mut self) -> io::Result<()> {
        let mut preface = [0; PREFACE.len()];
        self.reader.half.read_exact(&mut preface).await?;
        Ok(())
    }

    async fn settle(&mut self, settings: &[(u16, u32)]) -> io::Result<()> {
        let mut all = vec![(setting::HEADER_TABLE_SIZE, 0)];
        all.extend_from_slice(settings);
        self.send(&Frame::settings(&all)).await?;
        let theirs = self.find(|frame| frame.kind == kind::SETTINGS && frame.flags == 0).await;
        theirs.map_err(|_| io::ErrorKind::UnexpectedEof)?;
        self.send(&Frame::new(kind::SETTINGS, flag::ACK, 0, [])).await
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// As the system gives them.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = timeout(PATIENCE, self.writer.write_all(bytes)).await;
        written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// As the system gives them.
    pub async fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.write(&frame.bytes()).await
    }

    /// Says that nothing more will come (FIN).
    ///
    /// # Errors
    /// As the system gives them.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.writer.shutdown().await
    }

    /// The next frame.
    ///
    /// # Errors
    /// How the connection ended.
    pub async fn next(&mut self) -> Result<Frame, End> {
        self.reader.next().await
    }

    /// The next frame of a kind; those before it are dropped.
    ///
    /// # Errors
    /// How the connection ended.
    pub async fn find(&mut self, wanted: impl FnMut(&Frame) -> bool) -> Result<Frame, End> {
        self.reader.find(wanted).await
    }

    /// How the connection ends.
    pub async fn end(&mut self) -> End {
        match self.find(|_| false).await {
            Ok(_) => End::Hangs,
            Err(end) => end,
        }
    }

    /// All bytes until the connection ends, whatever they are.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.reader.buffer);
        let reading = self.reader.half.read_to_end(&mut rest);
        // What came before a reset counts all the same.
        let _ = timeout(PATIENCE, reading).await;
        rest
    }

    /// Writes all of these as fast as they are taken, and reads meanwhile, until a frame of a
    /// kind comes.
    ///
    /// # Errors
    /// How the connection ended.
    pub async fn flood(
        &mut self,
        chunks: impl IntoIterator<Item = Vec<u8>>,
        wanted: impl FnMut(&Frame) -> bool,
    ) -> Result<Frame, End> {
        let Self { reader, writer } = self;
        let writing = async {
            for chunk in chunks {
                // Why it fails is what the reader finds.
                if writer.write_all(&chunk).await.is_err() {
                    break;
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            found = reader.find(wanted) => found,
            never = writing => never,
        }
    }

    /// Waits without reading until the other end cuts the connection; `false` if it does not.
    pub async fn cut(&mut self) -> bool {
        // Who has cut a connection does not say so: it has to be asked.
        let asking = async {
            let ping = Frame::ping([0; 8]).bytes();
            while self.writer.write_all(&ping).await.is_ok() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, asking).await.is_ok()
    }

    /// Whether the server still does what it should on this connection: it answers a PING.
    ///
    /// # Errors
    /// How the connection ended.
    pub async fn is_served(&mut self) -> Result<(), End> {
        let ping = *b"servedok";
        // That it cannot be written is what reading finds, too.
        let _ = self.send(&Frame::ping(ping)).await;
        self.find(|frame| frame.is(kind::PING, flag::ACK) && frame.payload == ping).await?;
        Ok(())
    }

    /// Opens a stream with these headers.
    ///
    /// # Errors
    /// As the system gives them.
    pub async fn open(&mut self, stream: u32, headers: &[(&str, &str)]) -> io::Result<()> {
        self.send(&Frame::headers(stream, hpack::encode(headers.iter().copied()))).await
    }

    /// Sends a request with a body as it is, ended, and reads the answer.
    ///
    /// # Errors
    /// As the system gives them.
    pub async fn ask(
        &mut self,
        stream: u32,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let headers = Frame::headers(stream, hpack::encode(headers.iter().copied()));
        let mut chunks = body.chunks(16 * 1024).map(|chunk| Frame::data(stream, chunk));
        let last = chunks.next_back();
        let mut frames = vec![headers];
        frames.extend(chunks);
        frames.push(last.unwrap_or_else(|| Frame::data(stream, [])).end());
        // A body that is refused need not be taken.
        let _ = self.write(&frame::bytes(&frames)).await;
        Ok(self.answer(stream).await)
    }

    /// Reads up to the end of a stream.
    pub async fn answer(&mut self, stream: u32) -> Answer {
        let mut answer = Answer::default();
        loop {
            let frame = match self.find(|frame| frame.stream == stream).await {
                Ok(frame) => frame,
                Err(end) => {
                    answer.lost = Some(end);
                    return answer;
                }
            };
            match frame.kind {
                kind::HEADERS => {
                    answer.headers.extend(hpack::decode(&frame.payload).unwrap_or_default());
                }
                kind::DATA => answer.data.extend_from_slice(&frame.payload),
                kind::RST_STREAM => {
                    answer.reset = frame.reason();
                    return answer;
                }
                _ => continue,
            }
            if frame.flags & flag::END_STREAM != 0 {
                return answer;
            }
        }
    }
}

impl Reader {
    async fn next(&mut self) -> Result<Frame, End> {
        match timeout(PATIENCE, self.read()).await {
            Ok(Some(frame)) => {
                if frame.kind == kind::GOAWAY {
                    self.go_away = frame.reason();
                }
                Ok(frame)
            }
            Ok(None) => Err(self.go_away.map_or(End::Closed, End::GoAway)),
            Err(_) => Err(End::Hangs),
        }
    }

    async fn find(&mut self, mut wanted: impl FnMut(&Frame) -> bool) -> Result<Frame, End> {
        loop {
            let frame = self.next().await?;
            if wanted(&frame) {
                return Ok(frame);
            }
        }
    }

    /// A frame, or the end: how TCP ended says nothing about HTTP/2, since the kernel resets a
    /// connection that is closed with bytes unread.
    async fn read(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take() {
                return Some(frame);
            }
            self.buffer.reserve(16 * 1024);
            match self.half.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    fn take(&mut self) -> Option<Frame> {
        let ([a, b, c, kind, flags, stream @ ..], rest) =
            self.buffer.split_first_chunk::<FRAME_HEADER>()?;
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let payload = rest.get(..length)?.to_vec();
        let frame = Frame::new(*kind, *flags, u32::from_be_bytes(*stream), payload);
        self.buffer.drain(..FRAME_HEADER + length);
        Some(frame)
    }
}

impl Answer {
    /// The last header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter().rev();
        headers.find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// HTTP's status.
    pub fn http(&self) -> Option<u16> {
        self.header(":status")?.parse().ok()
    }

    /// gRPC's status.
    pub fn grpc(&self) -> Option<Code> {
        self.header("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
    }
}
