//! What each end tells the other about itself (RFC 9113, section 6.5).

use super::error::Reason;
use super::frame::MAX_31;

pub(super) mod id {
    pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
    pub(crate) const ENABLE_PUSH: u16 = 2;
    pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(crate) const MAX_FRAME_SIZE: u16 = 5;
    pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// The window of streams and connections before anyone has said anything else.
pub(super) const INITIAL_WINDOW: u32 = 65_535;

/// What the peer has said of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct PeerSettings {
    pub(super) initial_window: u32,
    pub(super) max_payload: usize,
    pub(super) max_streams: usize,
}

impl Default for PeerSettings {
    fn default() -> Self {
        Self {
            initial_window: INITIAL_WINDOW,
            max_payload: super::frame::MAX_PAYLOAD,
            max_streams: usize::MAX,
        }
    }
}

/// A setting that says something to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    TableSize(u32),
    MaxStreams(u32),
    InitialWindow(u32),
    MaxPayload(u32),
}

/// Reads a frame's payload.
pub(super) fn parse(
    payload: &[u8],
    from_server: bool,
) -> impl Iterator<Item = Result<Setting, Reason>> {
    let (settings, rest) = payload.as_chunks::<6>();
    let whole = if rest.is_empty() { None } else { Some(Err(Reason::FRAME_SIZE_ERROR)) };
    let settings = settings.iter().filter_map(move |setting| {
        let [i, j, a, b, c, d] = *setting;
        let value = u32::from_be_bytes([a, b, c, d]);
        match u16::from_be_bytes([i, j]) {
            id::HEADER_TABLE_SIZE => Some(Ok(Setting::TableSize(value))),
            // Nobody pushes here, and a server may not even allow it.
            id::ENABLE_PUSH => {
                let most = if from_server { 0 } else { 1 };
                (value > most).then_some(Err(Reason::PROTOCOL_ERROR))
            }
            id::MAX_CONCURRENT_STREAMS => Some(Ok(Setting::MaxStreams(value))),
            id::INITIAL_WINDOW_SIZE if value > MAX_31 => Some(Err(Reason::FLOW_CONTROL_ERROR)),
            id::INITIAL_WINDOW_SIZE => Some(Ok(Setting::InitialWindow(value))),
            id::MAX_FRAME_SIZE => match value {
                0x4000..=0xff_ffff => Some(Ok(Setting::MaxPayload(value))),
                _ => Some(Err(Reason::PROTOCOL_ERROR)),
            },
            // What is not known is ignored.
            _ => None,
        }
    });
    whole.into_iter().chain(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(id: u16, value: u32) -> Option<Result<Setting, Reason>> {
        let payload = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
        parse(&payload, false).next()
    }

    #[test]
    fn values_have_bounds() {
        assert_eq!(one(4, MAX_31), Some(Ok(Setting::InitialWindow(MAX_31))));
        assert_eq!(one(4, MAX_31 + 1), Some(Err(Reason::FLOW_CONTROL_ERROR)));
        assert_eq!(one(5, 16_383), Some(Err(Reason::PROTOCOL_ERROR)));
        assert_eq!(one(5, 16_384), Some(Ok(Setting::MaxPayload(16_384))));
        assert_eq!(one(5, 1 << 24), Some(Err(Reason::PROTOCOL_ERROR)));
        assert_eq!(one(2, 2), Some(Err(Reason::PROTOCOL_ERROR)));
        assert_eq!(one(2, 1), None);
        assert_eq!(one(99, 1), None);
        assert_eq!(parse(&[0; 7], false).next(), Some(Err(Reason::FRAME_SIZE_ERROR)));
        assert_eq!(parse(&[0, 2, 0, 0, 0, 1], true).next(), Some(Err(Reason::PROTOCOL_ERROR)));
    }
}
