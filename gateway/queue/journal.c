/* journal: append-only segments with a lock each. A segment belongs to the
   process that holds its flock; the kernel drops the lock when a process
   dies, so that any other can replay what was left. */
#include "queue/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/frame.h"
#include "lib/hash.h"

#define MAGIC SPAN("postern-journal 1\n")

/* Of a frame beside its entry: length, check, length of the entry. */
#define CHECK_SIZE     8
#define FRAME_OVERHEAD (FRAME_HEADER_SIZE + CHECK_SIZE + 4)

#define SUFFIX ".journal"

static uint64_t check_of(struct span entry)
{
	unsigned char digest[HASH_SHA256_SIZE];
	uint64_t check = 0;

	hash_sha256(entry, digest);
	for (size_t i = 0; i < CHECK_SIZE; i++) {
		check = check << 8 | digest[i];
	}
	return check;
}

int journal_open(struct journal *journal, const char *dir, uint64_t max_bytes,
		 struct error *err_r)
{
	*journal = (struct journal){
		.dir_fd = -1,
		.write_fd = -1,
		.read_fd = -1,
		.max_bytes = max_bytes,
	};
	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		return error_set(err_r, "%s: %s", dir, strerror(errno));
	}
	journal->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (journal->dir_fd < 0) {
		return error_set(err_r, "%s: %s", dir, strerror(errno));
	}
	if (faccessat(journal->dir_fd, ".", W_OK | X_OK, AT_EACCESS) < 0) {
		error_set(err_r, "%s: cannot be written: %s", dir,
			  strerror(errno));
		journal_close(journal);
		return -1;
	}
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
	*fd = -1;
}

void journal_close(struct journal *journal)
{
	close_fd(&journal->write_fd);
	close_fd(&journal->read_fd);
	close_fd(&journal->dir_fd);
}

/* Names sort by time: 16 hexadecimal digits of nanoseconds, the process, a
   number, the suffix. */
static bool is_segment_name(const char *name)
{
	size_t len = strlen(name);

	return len > 16 + strlen(SUFFIX) && len < JOURNAL_NAME_SIZE &&
	       strspn(name, "0123456789abcdef") == 16 &&
	       strcmp(name + len - strlen(SUFFIX), SUFFIX) == 0;
}

static int select_segment(const struct dirent *entry)
{
	return is_segment_name(entry->d_name) ? 1 : 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* All segments, oldest first; free with free_names. Return their count. */
static int list_segments(const struct journal *journal,
			 struct dirent ***names_r)
{
	int count = scandirat(journal->dir_fd, ".", names_r, select_segment,
			      by_name);

	if (count < 0) {
		*names_r = NULL;
		return 0;
	}
	return count;
}

static void free_names(struct dirent **names, int count)
{
	for (int i = 0; i < count; i++) {
		free(names[i]);
	}
	free(names);
}

uint64_t journal_bytes(const struct journal *journal)
{
	struct dirent **names;
	int count = list_segments(journal, &names);
	uint64_t total = 0;

	for (int i = 0; i < count; i++) {
		struct stat st;

		if (fstatat(journal->dir_fd, names[i]->d_name, &st, 0) == 0) {
			total += (uint64_t)st.st_size;
		}
	}
	free_names(names, count);
	return total;
}

/* All of bytes at offset, or -1 with errno. */
static int write_at(int fd, struct span bytes, uint64_t offset)
{
	while (bytes.len > 0) {
		ssize_t done = pwrite(fd, bytes.ptr, bytes.len, (off_t)offset);

		if (done < 0 && errno == EINTR) {
			continue;
		}
		if (done <= 0) {
			errno = done == 0 ? ENOSPC : errno;
			return -1;
		}
		bytes = span_from(bytes, (size_t)done);
		offset += (uint64_t)done;
	}
	return 0;
}

static void name_segment(struct journal *journal)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(journal->write_name, sizeof(journal->write_name),
		 "%016" PRIx64 "-%x-%x" SUFFIX,
		 (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec,
		 (unsigned int)getpid(), journal->sequence++);
}

/* Make the file under a name nobody replays, lock it, and only then give it
   its own: no other process may find it unlocked. */
static int create_segment(struct journal *journal)
{
	char fresh[JOURNAL_NAME_SIZE + 8];

	name_segment(journal);
	snprintf(fresh, sizeof(fresh), "%s.new", journal->write_name);
	journal->write_fd = openat(journal->dir_fd, fresh,
				   O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (journal->write_fd < 0) {
		return -1;
	}
	/* The directory's entry must be as durable as what it names. */
	if (flock(journal->write_fd, LOCK_EX | LOCK_NB) < 0 ||
	    write_at(journal->write_fd, MAGIC, 0) < 0 ||
	    renameat(journal->dir_fd, fresh, journal->dir_fd,
		     journal->write_name) < 0 ||
	    fsync(journal->dir_fd) < 0) {
		int saved = errno;

		unlinkat(journal->dir_fd, fresh, 0);
		unlinkat(journal->dir_fd, journal->write_name, 0);
		close_fd(&journal->write_fd);
		errno = saved;
		return -1;
	}
	return 0;
}

static int begin_segment(struct journal *journal, size_t first_frame,
			 struct error *err_r)
{
	uint64_t used = journal_bytes(journal);

	if (used + MAGIC.len + first_frame > journal->max_bytes) {
		return error_set(err_r,
				 "full: %" PRIu64 " of %" PRIu64 " bytes", used,
				 journal->max_bytes);
	}
	if (create_segment(journal) < 0) {
		return error_set(err_r, "%s: %s", journal->write_name,
				 strerror(errno));
	}
	journal->write_size = MAGIC.len;
	journal->write_limit = journal->max_bytes - used;
	if (journal->write_limit > JOURNAL_SEGMENT_MAX) {
		journal->write_limit = JOURNAL_SEGMENT_MAX;
	}
	return 0;
}

/* Closing drops the lock: from here on anyone may replay it. */
static void end_segment(struct journal *journal)
{
	close_fd(&journal->write_fd);
	journal->write_size = 0;
}

/* Have a segment with room for size more bytes. */
static int make_room(struct journal *journal, size_t size, struct error *err_r)
{
	if (journal->write_fd >= 0 &&
	    journal->write_size + size <= journal->write_limit) {
		return 0;
	}
	if (journal_sync(journal, err_r) < 0) {
		return -1;
	}
	end_segment(journal);
	return begin_segment(journal, size, err_r);
}

int journal_append(struct journal *journal, struct span entry,
		   struct error *err_r)
{
	struct strbuf frame = STRBUF_INIT(JOURNAL_SEGMENT_MAX);
	size_t start;
	int status = 0;

	if (entry.len > JOURNAL_ENTRY_MAX) {
		return error_set(err_r, "entry of %zu bytes", entry.len);
	}
	if (make_room(journal, entry.len + FRAME_OVERHEAD, err_r) < 0) {
		return -1;
	}
	start = frame_begin(&frame);
	frame_put_u64(&frame, check_of(entry));
	frame_put_bytes(&frame, entry);
	frame_end(&frame, start);
	if (write_at(journal->write_fd, strbuf_span(&frame),
		     journal->write_size) < 0) {
		status = error_set(err_r, "%s: %s", journal->write_name,
				   strerror(errno));
		/* Half a frame would hide all that comes after it. */
		if (ftruncate(journal->write_fd, (off_t)journal->write_size) <
		    0) {
			end_segment(journal);
		}
	} else {
		journal->write_size += frame.len;
		journal->dirty = true;
	}
	strbuf_finish(&frame);
	return status;
}

int journal_sync(struct journal *journal, struct error *err_r)
{
	if (journal->write_fd < 0 || !journal->dirty) {
		return 0;
	}
	journal->dirty = false;
	if (fdatasync(journal->write_fd) < 0) {
		error_set(err_r, "%s: %s", journal->write_name,
			  strerror(errno));
		/* After a failed fsync the kernel may have forgotten the
		   pages: never trust this segment with more. */
		end_segment(journal);
		return -1;
	}
	return 0;
}

/* Lock the segment for replaying. The name may be gone, or be locked. */
static int take_named(struct journal *journal, const char *name)
{
	struct stat by_fd;
	struct stat by_path;
	int fd = openat(journal->dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0) {
		return -1;
	}
	/* Another process may have replayed and removed it between our open
	   and our lock. */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &by_fd) < 0 ||
	    fstatat(journal->dir_fd, name, &by_path, 0) < 0 ||
	    by_fd.st_ino != by_path.st_ino || !S_ISREG(by_fd.st_mode)) {
		close(fd);
		return -1;
	}
	journal->read_fd = fd;
	snprintf(journal->read_name, sizeof(journal->read_name), "%s", name);
	return 0;
}

static int take_oldest(struct journal *journal)
{
	struct dirent **names;
	int count = list_segments(journal, &names);
	int status = -1;

	for (int i = 0; i < count && status < 0; i++) {
		status = take_named(journal, names[i]->d_name);
	}
	free_names(names, count);
	return status;
}

static int read_segment(struct journal *journal, struct strbuf *out,
			struct error *err_r)
{
	struct stat st;

	if (fstat(journal->read_fd, &st) < 0) {
		return error_set(err_r, "%s: %s", journal->read_name,
				 strerror(errno));
	}
	if (st.st_size > JOURNAL_SEGMENT_MAX ||
	    strbuf_reserve(out, (size_t)st.st_size) == NULL) {
		return error_set(err_r, "%s: not ours: %jd bytes",
				 journal->read_name, (intmax_t)st.st_size);
	}
	while (out->len < (size_t)st.st_size) {
		ssize_t got =
			pread(journal->read_fd, out->ptr + out->len,
			      (size_t)st.st_size - out->len, (off_t)out->len);

		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got <= 0) {
			return error_set(err_r, "%s: %s", journal->read_name,
					 got == 0 ? "shrinks"
						  : strerror(errno));
		}
		out->len += (size_t)got;
	}
	return 0;
}

/* What cannot be read must not stand before what can: keep it for a person
   under a name nobody replays. */
static void set_aside(struct journal *journal)
{
	char name[JOURNAL_NAME_SIZE + 8];

	snprintf(name, sizeof(name), "%s.damaged", journal->read_name);
	renameat(journal->dir_fd, journal->read_name, journal->dir_fd, name);
	close_fd(&journal->read_fd);
}

bool journal_next_entry(struct span *frames, struct span *entry_r)
{
	struct span rest = *frames;
	struct span body;
	struct frame_reader reader;
	uint64_t check;

	if (frame_next(&rest, JOURNAL_ENTRY_MAX + FRAME_OVERHEAD, &body) != 1) {
		return false;
	}
	reader = frame_reader(body);
	check = frame_get_u64(&reader);
	*entry_r = frame_get_bytes(&reader, JOURNAL_ENTRY_MAX);
	if (!frame_reader_done(&reader) || check != check_of(*entry_r)) {
		return false;
	}
	*frames = rest;
	return true;
}

/* Keep the whole frames; return how many bytes follow them. */
static uint64_t cut_torn(struct strbuf *out)
{
	struct span rest;
	struct span entry;

	if (!span_starts(strbuf_span(out), MAGIC)) {
		/* A crash may leave a name without content. */
		uint64_t torn = out->len;

		out->len = 0;
		return torn;
	}
	strbuf_shift(out, MAGIC.len);
	rest = strbuf_span(out);
	while (journal_next_entry(&rest, &entry)) {
	}
	out->len -= rest.len;
	return rest.len;
}

int journal_take(struct journal *journal, struct strbuf *out, uint64_t *torn_r,
		 struct error *err_r)
{
	*torn_r = 0;
	strbuf_clear(out);
	if (journal_sync(journal, err_r) < 0) {
		return -1;
	}
	if (take_oldest(journal) < 0) {
		/* Nothing older: what we are writing is the next to go. */
		if (journal->write_fd < 0) {
			return 0;
		}
		end_segment(journal);
		if (take_oldest(journal) < 0) {
			return 0;
		}
	}
	if (read_segment(journal, out, err_r) < 0) {
		set_aside(journal);
		return -1;
	}
	*torn_r = cut_torn(out);
	return 1;
}

void journal_done(struct journal *journal)
{
	if (journal->read_fd < 0) {
		return;
	}
	unlinkat(journal->dir_fd, journal->read_name, 0);
	close_fd(&journal->read_fd);
}

void journal_give_back(struct journal *journal)
{
	close_fd(&journal->read_fd);
}
