//! What the parsers of headers share: a text, and how far it is read.

/// What is wrong with a text, and where.
pub(super) struct Bad {
    pub at: usize,
    pub reason: String,
}

pub(super) type Parsed<X> = std::result::Result<X, Bad>;

/// A text that is read front to back; spaces between its parts do not matter.
pub(super) struct Parser<'a> {
    pub text: &'a [u8],
    pub at: usize,
}

impl Parser<'_> {
    /// An error at the present position.
    pub fn bad<X>(&self, reason: impl Into<String>) -> Parsed<X> {
        Err(Bad { at: self.at, reason: reason.into() })
    }

    /// The next byte that is no space, without taking it.
    pub fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Takes the next byte that is no space if it is this one.
    pub fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Takes this byte, or else there is an error.
    pub fn expect(&mut self, byte: u8) -> Parsed<()> {
        if self.accept(byte) {
            Ok(())
        } else {
            self.bad(format!("`{}` is missing in the header", byte as char))
        }
    }

    /// A whole number in decimal digits.
    pub fn size(&mut self) -> Parsed<usize> {
        if self.peek() == Some(b'-') {
            return self.bad("a size in the header is negative");
        }
        let digits = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = str::from_utf8(&self.text[self.at..self.at + digits]).unwrap_or("");
        let Ok(size) = text.parse::<usize>() else {
            return self.bad("the header has something else than a size that fits the machine");
        };
        self.at += digits;
        Ok(size)
    }
}
