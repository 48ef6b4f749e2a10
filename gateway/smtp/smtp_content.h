/* smtp_content: one message on its way through: collected, sealed in a memfd
   so that nothing can change it any more, judged, and read again to be sent.
   Never on disk. Knows nothing of lines or dots. */
#ifndef POSTERN_SMTP_CONTENT_H
#define POSTERN_SMTP_CONTENT_H

#include "lib/error.h"
#include "lib/hash.h"
#include "lib/span.h"
#include "lib/strbuf.h"

/* What is gathered before it is written: most messages are written once. With
   the byte that strbuf keeps for itself it is a power of two. */
#define SMTP_CONTENT_BUFFER (64 * 1024 - 1)

struct smtp_content {
	/* -1 until something is written. */
	int fd;
	/* What is not written yet. */
	struct strbuf buffer;
	uint64_t size;
	/* Of the process's budget. */
	uint64_t charged;
	struct hash_sha256 hash;
	/* After seal. */
	unsigned char digest[HASH_SHA256_SIZE];
	/* All of it, mapped from the sealed memfd; empty before. */
	struct span sealed;
};

enum smtp_content_status {
	SMTP_CONTENT_OK,
	/* Over max_bytes. */
	SMTP_CONTENT_TOO_LARGE,
	/* All messages of this process together are over their budget. */
	SMTP_CONTENT_NO_BUDGET,
	/* The kernel has no memory, or no descriptor. */
	SMTP_CONTENT_FAILED,
};

void smtp_content_init(struct smtp_content *content);
/* Forget and free all, give the budget back; usable again. */
void smtp_content_finish(struct smtp_content *content);

/* Add bytes. Anything but OK leaves the content good for finish only. */
enum smtp_content_status smtp_content_add(struct smtp_content *content,
					  struct span bytes, uint64_t max_bytes,
					  uint64_t budget_bytes);

/* Write what is left, forbid all change, map it and have its digest. Return
   0, or -1 with the reason. */
int smtp_content_seal(struct smtp_content *content, struct error *err_r);

/* Bytes of all messages that this process holds now. */
uint64_t smtp_content_in_use(void);

#endif
