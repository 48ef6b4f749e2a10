/* frame: putting and getting the fields of binary messages. */
#include "lib/frame.h"

#include <assert.h>

static void put_uint(struct strbuf *out, uint64_t value, size_t size)
{
	char bytes[8];

	for (size_t i = 0; i < size; i++) {
		bytes[i] = (char)(value >> (8 * (size - 1 - i)));
	}
	strbuf_add(out, span_of(bytes, size));
}

static uint64_t read_uint(const char *bytes, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++) {
		value = value << 8 | (unsigned char)bytes[i];
	}
	return value;
}

size_t frame_begin(struct strbuf *out)
{
	size_t start = out->len;

	put_uint(out, 0, FRAME_HEADER_SIZE);
	return start;
}

void frame_put_u8(struct strbuf *out, uint8_t value)
{
	put_uint(out, value, 1);
}

void frame_put_u32(struct strbuf *out, uint32_t value)
{
	put_uint(out, value, 4);
}

void frame_put_u64(struct strbuf *out, uint64_t value)
{
	put_uint(out, value, 8);
}

void frame_put_bytes(struct strbuf *out, struct span bytes)
{
	assert(bytes.len <= UINT32_MAX);
	frame_put_u32(out, (uint32_t)bytes.len);
	strbuf_add(out, bytes);
}

int frame_end(struct strbuf *out, size_t start)
{
	uint32_t len;

	if (out->overflow) {
		out->len = start;
		out->overflow = false;
		return -1;
	}
	len = (uint32_t)(out->len - start - FRAME_HEADER_SIZE);
	for (size_t i = 0; i < FRAME_HEADER_SIZE; i++) {
		out->ptr[start + i] = (char)(len >> (8 * (3 - i)));
	}
	return 0;
}

int frame_next(struct span *in, size_t max_body, struct span *body_r)
{
	uint64_t len;

	if (in->len < FRAME_HEADER_SIZE) {
		return 0;
	}
	len = read_uint(in->ptr, FRAME_HEADER_SIZE);
	if (len > max_body) {
		return -1;
	}
	if (in->len - FRAME_HEADER_SIZE < len) {
		return 0;
	}
	*body_r = span_of(in->ptr + FRAME_HEADER_SIZE, (size_t)len);
	*in = span_from(*in, FRAME_HEADER_SIZE + (size_t)len);
	return 1;
}

static struct span take(struct frame_reader *reader, size_t size)
{
	struct span taken = span_first(reader->rest, size);

	if (reader->failed || taken.len < size) {
		reader->failed = true;
		return span_of(NULL, 0);
	}
	reader->rest = span_from(reader->rest, size);
	return taken;
}

static uint64_t get_uint(struct frame_reader *reader, size_t size)
{
	struct span bytes = take(reader, size);

	return bytes.len == 0 ? 0 : read_uint(bytes.ptr, size);
}

uint8_t frame_get_u8(struct frame_reader *reader)
{
	return (uint8_t)get_uint(reader, 1);
}

uint32_t frame_get_u32(struct frame_reader *reader)
{
	return (uint32_t)get_uint(reader, 4);
}

uint64_t frame_get_u64(struct frame_reader *reader)
{
	return get_uint(reader, 8);
}

struct span frame_get_bytes(struct frame_reader *reader, size_t max)
{
	uint32_t len = frame_get_u32(reader);

	if (len > max) {
		reader->failed = true;
	}
	return take(reader, len);
}

bool frame_reader_done(const struct frame_reader *reader)
{
	return !reader->failed && reader->rest.len == 0;
}
