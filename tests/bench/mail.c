/* mail: a blank for each size in use, and the few places in it that follow
   from the message's number. Making a message costs one copy of its text, so
   that the generator does not compete with what it measures. */
#include "bench/mail.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"
#include "lib/xalloc.h"

#define MAX_PLACES 48
#define MAX_SIZES  16
#define TEXT_BYTES 3072

/* A place is one control character in the texts below; it is as wide as its
   row says, so that every message of a size is exactly that long. */
enum place_kind {
	/* Ten digits of the number. */
	PLACE_NUMBER = '\001',
	/* Six letters, a capital first: given name. */
	PLACE_GIVEN = '\002',
	/* Eight letters, a capital first: family name. */
	PLACE_FAMILY = '\003',
	/* The same names in small letters, for the address. */
	PLACE_GIVEN_SMALL = '\004',
	PLACE_FAMILY_SMALL = '\005',
	/* Two digits that choose the sender's company. */
	PLACE_COMPANY = '\006',
	/* Seven digits of a telephone number. */
	PLACE_PHONE = '\007',
};

static const struct {
	enum place_kind kind;
	size_t width;
} places[] = {
	{ PLACE_NUMBER, 10 },	   { PLACE_GIVEN, 6 },
	{ PLACE_FAMILY, 8 },	   { PLACE_GIVEN_SMALL, 6 },
	{ PLACE_FAMILY_SMALL, 8 }, { PLACE_COMPANY, 2 },
	{ PLACE_PHONE, 7 },
};

struct blank {
	enum mail_direction direction;
	size_t size;
	struct strbuf head;
	struct strbuf rest;
	struct {
		size_t offset;
		enum place_kind kind;
	} places[MAX_PLACES];
	size_t place_count;
};

static struct blank blanks[MAX_SIZES];
static size_t blank_count;

/* By direction; the size goes in at %010zu. */
static const char *const heads[] = {
	MAIL_MARK
	"in  \001 %010zu\r\n"
	"Received: from mx\006.firm\006.example (mx\006.firm\006.example "
	"[192.0.2.17])\r\n"
	"\tby mail.bench.example with ESMTPS id \001\r\n"
	"\t(version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256)\r\n"
	"\tfor <user@bench.example>; Tue, 10 Mar 2026 09:30:12 +0100 (CET)\r\n"
	"From: \002 \003 <\004.\005@firm\006.example>\r\n"
	"To: \"A. User\" <user@bench.example>\r\n"
	"Subject: Delivery dates for the second quarter\r\n"
	"Date: Tue, 10 Mar 2026 09:30:10 +0100\r\n"
	"Message-ID: <\001@firm\006.example>\r\n"
	"MIME-Version: 1.0\r\n"
	"User-Agent: Bench Mail 1.0\r\n",
	MAIL_MARK "out \001 %010zu\r\n"
		  "From: \"A. User\" <user@bench.example>\r\n"
		  "To: \002 \003 <\004.\005@firm\006.example>\r\n"
		  "Subject: Re: Delivery dates for the second quarter\r\n"
		  "Date: Tue, 10 Mar 2026 11:02:47 +0100\r\n"
		  "Message-ID: <\001@bench.example>\r\n"
		  "MIME-Version: 1.0\r\n"
		  "User-Agent: Bench Mail 1.0\r\n",
};

static const char text_head[] = "Content-Type: text/plain; charset=utf-8\r\n"
				"Content-Transfer-Encoding: 8bit\r\n";

static const char mixed_head[] =
	"Content-Type: multipart/mixed; boundary=\"=_bench_part\"\r\n"
	"\r\n"
	"This is a message in MIME format.\r\n"
	"--=_bench_part\r\n";

static const char greeting[] =
	"\r\n"
	"Hello,\r\n"
	"\r\n"
	"thank you for the call this morning. Here is what we agreed on.\r\n"
	"\r\n";

static const char *const signatures[] = {
	"\r\n"
	".. and so on, as discussed.\r\n"
	"\r\n"
	"Kind regards\r\n"
	"\002 \003\r\n"
	"\r\n"
	"-- \r\n"
	"\002 \003\r\n"
	"Head of Purchasing\r\n"
	"Firm \006 Ltd\r\n"
	"Phone: +49 30 \007\r\n"
	"https://www.firm\006.example/\r\n",
	"\r\n"
	".. and so on, as discussed.\r\n"
	"\r\n"
	"Kind regards\r\n"
	"A. User\r\n"
	"\r\n"
	"-- \r\n"
	"A. User\r\n"
	"Sales\r\n"
	"Bench Ltd\r\n"
	"Phone: +49 40 1234567\r\n"
	"https://www.bench.example/\r\n",
};

static const char attachment_head[] =
	"\r\n--=_bench_part\r\n"
	"Content-Type: application/pdf; name=\"dates.pdf\"\r\n"
	"Content-Disposition: attachment; filename=\"dates.pdf\"\r\n"
	"Content-Transfer-Encoding: base64\r\n"
	"\r\n";

static const char attachment_tail[] = "\r\n--=_bench_part--\r\n";

/* Sentences until buf is so long; the last line is cut to fit. */
static void add_prose(struct strbuf *buf, size_t until)
{
	static const char *const lines[] = {
		"The first pallets leave the warehouse in the second week of "
		"April,\r\n",
		"and the remaining ones follow as soon as customs has cleared "
		"them.\r\n",
		"Please confirm that somebody can take them in between eight "
		"and noon.\r\n",
		"We have added the revised drawings and the list of spare "
		"parts.\r\n",
		"Should anything be missing, tell me and I will see to it.\r\n",
	};
	char line[80];
	size_t i = 0, left;

	while (buf->len < until) {
		left = until - buf->len;
		if (left < 2 * sizeof(line)) {
			/* The end: two short lines whose lengths fit. */
			left = left > sizeof(line) ? left / 2 : left;
			assert(left >= 2);
			memset(line, 'o', left - 2);
			memcpy(line + left - 2, "\r\n", 2);
			strbuf_add(buf, span_of(line, left));
			continue;
		}
		strbuf_add_str(buf, lines[i++ % N_ELEMENTS(lines)]);
	}
}

/* Lines of base64 until buf is so long. */
static void add_base64(struct strbuf *buf, size_t until)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklm"
				     "nopqrstuvwxyz0123456789+/";
	uint64_t state = 88172645463325252u;
	char line[78];
	size_t i, len;

	while (buf->len < until) {
		for (i = 0; i < 76; i++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			line[i] = digits[state & 63];
		}
		memcpy(line + 76, "\r\n", 2);
		len = until - buf->len;
		strbuf_add(buf, span_of(line, len < 78 ? len : 78));
	}
}

/* Copy text with its places widened and noted. */
static void add_text(struct blank *t, const char *text)
{
	size_t i, k;

	for (i = 0; text[i] != '\0'; i++) {
		for (k = 0; k < N_ELEMENTS(places); k++) {
			if (text[i] == (char)places[k].kind) {
				break;
			}
		}
		if (k == N_ELEMENTS(places)) {
			strbuf_add_char(&t->head, text[i]);
			continue;
		}
		assert(t->place_count < MAX_PLACES);
		t->places[t->place_count].offset = t->head.len;
		t->places[t->place_count++].kind = places[k].kind;
		strbuf_add(&t->head, span_of("..........", places[k].width));
	}
}

static size_t width_of(const char *text)
{
	size_t i, k, width = 0;

	for (i = 0; text[i] != '\0'; i++) {
		width++;
		for (k = 0; k < N_ELEMENTS(places); k++) {
			if (text[i] == (char)places[k].kind) {
				width += places[k].width - 1;
			}
		}
	}
	return width;
}

static void blank_build(struct blank *t, enum mail_direction direction,
			size_t size)
{
	const char *signature = signatures[direction];
	bool mixed = size > MAIL_TEXT_MAX;
	char text[2048];

	assert(size >= MAIL_SIZE_MIN && size <= MAIL_SIZE_MAX);
	t->direction = direction;
	t->size = size;
	strbuf_init(&t->head, MAIL_TEXT_MAX);
	strbuf_init(&t->rest, MAIL_SIZE_MAX);
	snprintf(text, sizeof(text), heads[direction], size);
	add_text(t, text);
	if (mixed) {
		add_text(t, mixed_head);
	}
	add_text(t, text_head);
	add_text(t, greeting);
	add_prose(&t->head, (mixed ? TEXT_BYTES : size) - width_of(signature));
	add_text(t, signature);
	if (mixed) {
		size -= t->head.len;
		strbuf_add_str(&t->rest, attachment_head);
		add_base64(&t->rest, size - strlen(attachment_tail));
		strbuf_add_str(&t->rest, attachment_tail);
	}
	assert(t->head.len + t->rest.len == t->size && !t->head.overflow);
}

static const struct blank *blank_of(enum mail_direction direction, size_t size)
{
	size_t i;

	for (i = 0; i < blank_count; i++) {
		if (blanks[i].size == size &&
		    blanks[i].direction == direction) {
			return &blanks[i];
		}
	}
	assert(blank_count < MAX_SIZES);
	blank_build(&blanks[blank_count], direction, size);
	return &blanks[blank_count++];
}

static void put_digits(char *to, size_t width, uint64_t value)
{
	while (width-- > 0) {
		to[width] = (char)('0' + value % 10);
		value /= 10;
	}
}

/* Syllables of a consonant and a vowel: names that read like names. */
static void put_letters(char *to, size_t width, uint64_t seed)
{
	size_t i;

	seed = (seed + 1) * 0x9e3779b97f4a7c15u;
	for (i = 0; i + 1 < width; i += 2) {
		to[i] = "bdfghjklmnprstvz"[seed >> 60];
		to[i + 1] = "aeiouaei"[(seed >> 56) & 7];
		seed = (seed << 8) | (seed >> 56);
	}
}

static void put_place(char *to, enum place_kind kind, uint64_t number)
{
	switch (kind) {
	case PLACE_NUMBER:
		put_digits(to, 10, number);
		break;
	case PLACE_GIVEN:
	case PLACE_GIVEN_SMALL:
		put_letters(to, 6, number);
		break;
	case PLACE_FAMILY:
	case PLACE_FAMILY_SMALL:
		put_letters(to, 8, number ^ 0x5bd1e995);
		break;
	case PLACE_COMPANY:
		put_digits(to, 2, number % 100);
		break;
	case PLACE_PHONE:
		put_digits(to, 7, 9000000 + number % 1000000);
		break;
	}
	if (kind == PLACE_GIVEN || kind == PLACE_FAMILY) {
		to[0] = (char)(to[0] - ('a' - 'A'));
	}
}

void mail_make(struct mail *mail, enum mail_direction direction,
	       uint64_t number, size_t size)
{
	const struct blank *t = blank_of(direction, size);
	size_t i;

	mail->number = number;
	mail->size = size;
	mail->head_len = t->head.len;
	mail->rest = strbuf_span(&t->rest);
	memcpy(mail->head, t->head.ptr, t->head.len);
	for (i = 0; i < t->place_count; i++) {
		put_place(mail->head + t->places[i].offset, t->places[i].kind,
			  number);
	}
}

bool mail_has(const struct mail *mail, size_t position, struct span bytes)
{
	struct span part;

	if (position > mail->size || bytes.len > mail->size - position) {
		return false;
	}
	part = span_first(
		span_from(span_of(mail->head, mail->head_len), position),
		bytes.len);
	if (part.len > 0 && memcmp(part.ptr, bytes.ptr, part.len) != 0) {
		return false;
	}
	bytes = span_from(bytes, part.len);
	position += part.len;
	return bytes.len == 0 ||
	       memcmp(mail->rest.ptr + (position - mail->head_len), bytes.ptr,
		      bytes.len) == 0;
}

int mail_read_mark(struct span bytes, enum mail_direction *direction_r,
		   uint64_t *number_r, size_t *size_r)
{
	struct span rest = span_from(bytes, strlen(MAIL_MARK));
	uint64_t size;

	if (bytes.len < MAIL_MARK_LEN || !span_starts(bytes, SPAN(MAIL_MARK)) ||
	    span_to_u64(span_of(rest.ptr + 4, 10), UINT64_MAX, number_r) < 0 ||
	    span_to_u64(span_of(rest.ptr + 15, 10), MAIL_SIZE_MAX, &size) < 0 ||
	    size < MAIL_SIZE_MIN) {
		return -1;
	}
	*direction_r = span_starts(rest, SPAN("out ")) ? MAIL_OUT : MAIL_IN;
	*size_r = (size_t)size;
	return 0;
}
