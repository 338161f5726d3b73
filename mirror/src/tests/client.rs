//! A client that sends exactly the bytes it is told to, and reads answers by
//! their `Content-Length` alone.

use socket2::{Domain, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take before a test fails.
const ANSWER: Duration = Duration::from_secs(20);

pub(super) struct Client {
    stream: TcpStream,
    /// What was read and not used yet.
    ahead: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The value of the one header of this name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name);
        let value = values.next().map(|(_, v)| v.as_str());
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        value
    }
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    /// One whose kernel takes little that it has not read.
    pub(super) fn narrow(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(32 << 10).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(ANSWER)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            ahead: Vec::new(),
        }
    }

    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends these bytes alone, unless the server has closed the connection.
    pub(super) fn sends(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends a request with these further header lines.
    pub(super) fn request(&mut self, method: &str, target: &str, headers: &[&str]) {
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: mirror\r\n");
        for line in headers {
            text += &format!("{line}\r\n");
        }
        self.send(text + "\r\n");
    }

    pub(super) fn get(&mut self, target: &str, headers: &[&str]) -> Answer {
        self.request("GET", target, headers);
        self.answer()
    }

    pub(super) fn head(&mut self, target: &str, headers: &[&str]) -> Answer {
        self.request("HEAD", target, headers);
        let mut answer = self.answer_head().expect("an answer");
        assert!(!self.more_within(Duration::from_millis(50)));
        answer.body.clear();
        answer
    }

    /// The next answer, with its body.
    pub(super) fn answer(&mut self) -> Answer {
        let mut answer = self.answer_head().expect("an answer");
        if answer.status != 304 {
            let length = answer.header("content-length").expect("a length");
            answer.body = self.read(length.parse().unwrap()).unwrap();
        }
        answer
    }

    /// The head of the next answer; none when the connection is closed.
    pub(super) fn answer_head(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.ahead.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            if !self.fill().is_ok_and(|n| n > 0) {
                assert!(self.ahead.is_empty(), "half an answer");
                return None;
            }
        };
        let head: Vec<u8> = self.ahead.drain(..end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        });
        Some(Answer {
            status: status.split(' ').nth(1).unwrap().parse().unwrap(),
            headers: headers.collect(),
            body: Vec::new(),
        })
    }

    /// Exactly so many bytes; fewer when the connection ends before.
    pub(super) fn read(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < length {
            if self.fill()? == 0 {
                break;
            }
        }
        let length = length.min(self.ahead.len());
        Ok(self.ahead.drain(..length).collect())
    }

    /// Whether the server closes the connection, sending nothing more.
    pub(super) fn closed_within(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let result = self.fill();
        self.stream.set_read_timeout(Some(ANSWER)).unwrap();
        match result {
            Ok(n) => n == 0,
            Err(e) => e.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    fn more_within(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let more = self.fill().is_ok_and(|n| n > 0);
        self.stream.set_read_timeout(Some(ANSWER)).unwrap();
        more
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut buffer = vec![0; 1 << 16];
        let n = self.stream.read(&mut buffer)?;
        self.ahead.extend_from_slice(&buffer[..n]);
        Ok(n)
    }
}
