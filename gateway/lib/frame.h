/* frame: length-prefixed binary messages between our own processes. Text
   lines between processes have been injected into before; lengths cannot be.
   A frame is a 32-bit big-endian body length, then the body; the body is a
   sequence of fields written and read in the same order. */
#ifndef POSTERN_LIB_FRAME_H
#define POSTERN_LIB_FRAME_H

#include "lib/span.h"
#include "lib/strbuf.h"

#define FRAME_HEADER_SIZE 4

/* Begin a frame at the end of out; return its position for frame_end. */
size_t frame_begin(struct strbuf *out);
void frame_put_u8(struct strbuf *out, uint8_t value);
void frame_put_u32(struct strbuf *out, uint32_t value);
void frame_put_u64(struct strbuf *out, uint64_t value);
/* 32-bit length, then the bytes. */
void frame_put_bytes(struct strbuf *out, struct span bytes);
/* Set the length of the frame begun at start. When out overflowed, the whole
   frame is taken back and -1 returned. */
int frame_end(struct strbuf *out, size_t start);

/* Take the frame at the head of *in: 1 and *body_r (borrows from in), 0 when
   more bytes are needed, -1 when it says it is longer than max_body. */
int frame_next(struct span *in, size_t max_body, struct span *body_r);

/* Reads fields; the first that does not fit makes all later ones fail and
   frame_reader_done false, so a decoder checks once. */
struct frame_reader {
	struct span rest;
	bool failed;
};

static inline struct frame_reader frame_reader(struct span body)
{
	return (struct frame_reader){ .rest = body };
}

uint8_t frame_get_u8(struct frame_reader *reader);
uint32_t frame_get_u32(struct frame_reader *reader);
uint64_t frame_get_u64(struct frame_reader *reader);
/* Borrows from the body; fails when longer than max. */
struct span frame_get_bytes(struct frame_reader *reader, size_t max);
/* Everything was read and nothing failed. */
bool frame_reader_done(const struct frame_reader *reader);

#endif
