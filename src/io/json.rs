//! The part of JSON that headers are written in: objects, strings and lists of whole numbers.

use super::parser::{Bad, Parsed, Parser};

/// Reads JSON, and allocates no more than it is allowed to.
pub(super) struct Json<'a> {
    pub parser: Parser<'a>,
    /// How many bytes may still be allocated for what is read.
    pub budget: u64,
}

impl Json<'_> {
    /// Counts what is about to be allocated; strings are counted already.
    pub fn spend(&mut self, bytes: usize) -> Parsed<()> {
        match self.budget.checked_sub(bytes as u64) {
            Some(left) => self.budget = left,
            None => return self.parser.bad("the header lists too much for a file of this size"),
        }
        Ok(())
    }

    /// An object: `member` reads the value of a name and says whether the name is new.
    pub fn object(&mut self, mut member: impl FnMut(&mut Self, String) -> Parsed<bool>) -> Parsed<()> {
        self.parser.expect(b'{')?;
        if self.parser.accept(b'}') {
            return Ok(());
        }
        loop {
            let name = self.string()?;
            let at = self.parser.at;
            self.parser.expect(b':')?;
            if !member(self, name)? {
                return Err(Bad { at, reason: "the header has a name twice".into() });
            }
            if !self.parser.accept(b',') {
                return self.parser.expect(b'}');
            }
        }
    }

    /// A list of at most so many whole numbers.
    pub fn sizes(&mut self, most: usize) -> Parsed<Vec<usize>> {
        self.parser.expect(b'[')?;
        let mut sizes = Vec::new();
        if self.parser.accept(b']') {
            return Ok(sizes);
        }
        loop {
            if sizes.len() == most {
                return self.parser.bad(format!("a list in the header has more than {most} numbers"));
            }
            sizes.push(self.parser.size()?);
            if !self.parser.accept(b',') {
                self.parser.expect(b']')?;
                return Ok(sizes);
            }
        }
    }

    /// A string.
    pub fn string(&mut self) -> Parsed<String> {
        self.parser.expect(b'"')?;
        let (start, mut escaped) = (self.parser.at, false);
        let length = self.parser.text[start..].iter().position(|&byte| {
            let end = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            end
        });
        let Some(length) = length else {
            return self.parser.bad("a string in the header does not end");
        };
        self.spend(length)?;
        let end = start + length;
        let mut out = Vec::with_capacity(length); // an escape is never shorter than what it stands for
        while self.parser.at < end {
            let byte = self.parser.text[self.parser.at];
            self.parser.at += 1;
            match byte {
                b'\\' => {
                    let mut utf8 = [0; 4];
                    out.extend_from_slice(self.escape()?.encode_utf8(&mut utf8).as_bytes());
                }
                0..0x20 => return self.parser.bad("a string in the header has a control character"),
                _ => out.push(byte),
            }
        }
        self.parser.at = end + 1;
        String::from_utf8(out).or_else(|_| self.parser.bad("a string in the header is no UTF-8"))
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Parsed<char> {
        let byte = self.parser.text.get(self.parser.at).copied();
        self.parser.at += 1;
        Ok(match byte {
            Some(same @ (b'"' | b'\\' | b'/')) => same.into(),
            Some(b'b') => '\x08',
            Some(b'f') => '\x0c',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let mut units = vec![self.unit()?];
                if (0xD800..0xDC00).contains(&units[0])
                    && self.parser.text[self.parser.at..].starts_with(b"\\u")
                {
                    self.parser.at += 2;
                    units.push(self.unit()?);
                }
                match char::decode_utf16(units.iter().copied()).collect::<Vec<_>>()[..] {
                    [Ok(letter)] => letter,
                    _ => return self.parser.bad("a string in the header has half of a surrogate pair"),
                }
            }
            _ => return self.parser.bad("a string in the header has an unknown escape"),
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Parsed<u16> {
        let digits = self
            .parser
            .text
            .get(self.parser.at..self.parser.at + 4)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let unit = digits.and_then(|digits| u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
        self.parser.at += 4;
        unit.map_or_else(|| self.parser.bad("`\\u` is not followed by four hexadecimal digits"), Ok)
    }
}
