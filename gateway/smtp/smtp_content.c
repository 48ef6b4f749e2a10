/* smtp_content: a memfd with seals, a budget for all of them together. */
#include "smtp/smtp_content.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/metrics.h"

/* One loop, one thread: sessions of a process share this. */
static uint64_t in_use;

uint64_t smtp_content_in_use(void)
{
	return in_use;
}

static void charge(struct smtp_content *content, uint64_t bytes)
{
	content->charged += bytes;
	in_use += bytes;
	metric_set(METRIC_MESSAGE_BYTES_HELD, in_use);
}

static void release(struct smtp_content *content)
{
	assert(in_use >= content->charged);
	in_use -= content->charged;
	content->charged = 0;
	metric_set(METRIC_MESSAGE_BYTES_HELD, in_use);
}

void smtp_content_init(struct smtp_content *content)
{
	*content = (struct smtp_content){
		.fd = -1,
		.buffer = STRBUF_INIT(SMTP_CONTENT_BUFFER),
	};
}

void smtp_content_finish(struct smtp_content *content)
{
	if (content->sealed.len > 0) {
		munmap((void *)(uintptr_t)content->sealed.ptr,
		       content->sealed.len);
	}
	if (content->fd >= 0) {
		close(content->fd);
	}
	if (content->hash.context != NULL) {
		hash_sha256_finish(&content->hash);
	}
	strbuf_wipe(&content->buffer);
	release(content);
	smtp_content_init(content);
}

static int write_all(int fd, struct span bytes)
{
	while (bytes.len > 0) {
		ssize_t written = write(fd, bytes.ptr, bytes.len);

		if (written < 0 && errno == EINTR) {
			continue;
		}
		if (written <= 0) {
			return -1;
		}
		bytes = span_from(bytes, (size_t)written);
	}
	return 0;
}

/* Append bytes to the memfd, which is made when first needed. */
static int store(struct smtp_content *content, struct span bytes)
{
	if (content->fd < 0) {
		content->fd = memfd_create("message",
					   MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (content->fd < 0) {
			return -1;
		}
	}
	return write_all(content->fd, bytes);
}

static int store_hashed(struct smtp_content *content, struct span bytes)
{
	if (content->hash.context == NULL) {
		hash_sha256_init(&content->hash);
	}
	hash_sha256_update(&content->hash, bytes);
	return store(content, bytes);
}

static int gather(struct smtp_content *content, struct span bytes)
{
	struct span buffered;

	if (content->buffer.len + bytes.len <= SMTP_CONTENT_BUFFER) {
		strbuf_add(&content->buffer, bytes);
		return 0;
	}
	buffered = strbuf_span(&content->buffer);
	if (store_hashed(content, buffered) < 0) {
		return -1;
	}
	strbuf_clear(&content->buffer);
	if (bytes.len < SMTP_CONTENT_BUFFER / 4) {
		strbuf_add(&content->buffer, bytes);
		return 0;
	}
	return store_hashed(content, bytes);
}

enum smtp_content_status smtp_content_add(struct smtp_content *content,
					  struct span bytes, uint64_t max_bytes,
					  uint64_t budget_bytes)
{
	if (bytes.len > max_bytes - content->size) {
		return SMTP_CONTENT_TOO_LARGE;
	}
	if (in_use >= budget_bytes || bytes.len > budget_bytes - in_use) {
		return SMTP_CONTENT_NO_BUDGET;
	}
	charge(content, bytes.len);
	content->size += bytes.len;
	return gather(content, bytes) < 0 ? SMTP_CONTENT_FAILED
					  : SMTP_CONTENT_OK;
}

static int map(struct smtp_content *content)
{
	void *ptr;

	if (content->size == 0) {
		return 0;
	}
	ptr = mmap(NULL, content->size, PROT_READ, MAP_PRIVATE | MAP_POPULATE,
		   content->fd, 0);
	if (ptr == MAP_FAILED) {
		return -1;
	}
	content->sealed = span_of(ptr, content->size);
	return 0;
}

int smtp_content_seal(struct smtp_content *content, struct error *err_r)
{
	struct span rest = strbuf_span(&content->buffer);

	if (content->hash.context == NULL) {
		hash_sha256(rest, content->digest);
	} else {
		hash_sha256_update(&content->hash, rest);
		hash_sha256_final(&content->hash, content->digest);
	}
	if (store(content, rest) < 0 ||
	    fcntl(content->fd, F_ADD_SEALS,
		  F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) <
		    0 ||
	    map(content) < 0) {
		return error_set(err_r, "cannot keep a message: %s",
				 strerrordesc_np(errno));
	}
	strbuf_wipe(&content->buffer);
	return 0;
}
