//! Layers as tars: ustar, and PAX for all that ustar cannot say.

use super::{Layer, Meta, Op, What};

impl Layer {
    /// The layer as a tar.
    pub fn tar(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for op in &self.ops {
            op.put(&mut out);
        }
        out.extend_from_slice(&[0; 1024]);
        out
    }
}

impl Op {
    fn put(&self, out: &mut Vec<u8>) {
        let Meta { mode, uid, gid, mtime, xattrs } = &self.meta;
        let mut pax = Vec::new();
        let (flag, data, link, device) = match &self.what {
            What::File(data) => (b'0', data.as_slice(), &b""[..], (0, 0)),
            What::Hardlink(target) => (b'1', &b""[..], target.as_slice(), (0, 0)),
            What::Symlink(target) => (b'2', &b""[..], target.as_slice(), (0, 0)),
            What::Char(major, minor) => (b'3', &b""[..], &b""[..], (*major, *minor)),
            What::Block(major, minor) => (b'4', &b""[..], &b""[..], (*major, *minor)),
            What::Dir => (b'5', &b""[..], &b""[..], (0, 0)),
            What::Fifo => (b'6', &b""[..], &b""[..], (0, 0)),
        };
        if self.path.len() > 100 {
            record(&mut pax, b"path", &self.path);
        }
        if link.len() > 100 {
            record(&mut pax, b"linkpath", link);
        }
        for (key, id) in [(&b"uid"[..], uid), (b"gid", gid)] {
            if *id > 0o777_7777 {
                record(&mut pax, key, id.to_string().as_bytes());
            }
        }
        if mtime.0 < 0 || mtime.1 > 0 || mtime.0 > 0o777_7777_7777 {
            record(&mut pax, b"mtime", time(*mtime).as_bytes());
        }
        for (name, value) in xattrs {
            record(&mut pax, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
        }
        if !pax.is_empty() {
            block(out, b"PaxHeaders/entry", b'x', b"", pax.len(), (0o644, 0, 0, 0), (0, 0));
            data_blocks(out, &pax);
        }
        let small = |id: u32| if id > 0o777_7777 { 0 } else { id };
        let seconds = u64::try_from(mtime.0).ok().filter(|s| *s <= 0o777_7777_7777).unwrap_or(0);
        let fixed = (*mode, small(*uid), small(*gid), seconds);
        block(out, &self.path, flag, link, data.len(), fixed, device);
        data_blocks(out, data);
    }
}

fn block(
    out: &mut Vec<u8>,
    path: &[u8],
    flag: u8,
    link: &[u8],
    size: usize,
    (mode, uid, gid, mtime): (u32, u32, u32, u64),
    device: (u32, u32),
) {
    let mut header = [0; 512];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, &path[..path.len().min(100)]);
    put(100, format!("{mode:07o}").as_bytes());
    put(108, format!("{uid:07o}").as_bytes());
    put(116, format!("{gid:07o}").as_bytes());
    put(124, format!("{size:011o}").as_bytes());
    put(136, format!("{mtime:011o}").as_bytes());
    put(148, b"        ");
    put(156, &[flag]);
    put(157, &link[..link.len().min(100)]);
    put(257, b"ustar\x0000");
    put(329, format!("{:07o}", device.0).as_bytes());
    put(337, format!("{:07o}", device.1).as_bytes());
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.extend_from_slice(&header);
}

fn data_blocks(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(data);
    out.resize(out.len().next_multiple_of(512), 0);
}

/// `<length> <key>=<value>\n`; the length counts its own digits.
fn record(pax: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let length = (1..8).map(|digits| rest + digits).find(|all| rest + all.to_string().len() == *all);
    let length = length.expect("a record that is not huge");
    pax.extend_from_slice(&[format!("{length} ").as_bytes(), key, b"=", value, b"\n"].concat());
}

/// Seconds with a fraction, which is below the whole ones when they are negative.
fn time((seconds, nanos): (i64, u32)) -> String {
    let all = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let sign = if all < 0 { "-" } else { "" };
    let all = all.unsigned_abs();
    format!("{sign}{}.{:09}", all / 1_000_000_000, all % 1_000_000_000)
}
