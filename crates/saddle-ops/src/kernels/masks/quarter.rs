//! For each mask of 4 lanes, the lanes that it keeps, in order: what registers of 128 bits are sorted by.

/// As numbers of lanes.
pub(super) static LANES: [[u32; 4]; 16] = {
    let mut order = [[0; 4]; 16];
    let mut mask = 0;
    while mask < 16 {
        let (mut lane, mut kept) = (0, 0);
        while lane < 4 {
            if mask >> lane & 1 == 1 {
                order[mask][kept] = lane as u32;
                kept += 1;
            }
            lane += 1;
        }
        mask += 1;
    }
    order
};

/// As numbers of bytes.
pub(super) static BYTES: [[u8; 16]; 16] = {
    let mut order = [[0; 16]; 16];
    let mut at = 0;
    while at < 16 * 16 {
        let (mask, byte) = (at / 16, at % 16);
        order[mask][byte] = (4 * LANES[mask][byte / 4] as usize + byte % 4) as u8;
        at += 1;
    }
    order
};
