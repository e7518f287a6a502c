//! Files with a few bytes changed, the same in every run.

/// Copies of `whole` in which one to four bytes before `end` are changed: a bit, 255, one of
/// `letters`, or anything.
pub fn spoiled<'a>(
    whole: &'a [u8],
    end: usize,
    letters: &'a [u8],
    copies: usize,
) -> impl Iterator<Item = Vec<u8>> + 'a {
    let mut state = 0x1234_5678_9abc_def0_u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    (0..copies).map(move |_| {
        let mut bytes = whole.to_vec();
        for _ in 0..1 + next(4) {
            let at = next(end);
            bytes[at] = match next(4) {
                0 => bytes[at] ^ (1 << next(8)),
                1 => 0xff,
                2 => letters[next(letters.len())],
                _ => next(256) as u8,
            };
        }
        bytes
    })
}
