/* The journal keeps what it was given in order, whatever tears it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "queue/journal.h"

#define MIB (1024u * 1024)

struct scratch {
	char dir[64];
	char journal[128];
};

static int make_scratch(void **state)
{
	struct scratch *scratch = malloc(sizeof(*scratch));

	strcpy(scratch->dir, "/tmp/postern-journal.XXXXXX");
	assert_non_null(mkdtemp(scratch->dir));
	snprintf(scratch->journal, sizeof(scratch->journal), "%s/journal",
		 scratch->dir);
	*state = scratch;
	return 0;
}

/* Full paths of what is in the journal's directory; return their count. */
static size_t list(const struct scratch *scratch, char (*paths_r)[256],
		   size_t max)
{
	DIR *dir = opendir(scratch->journal);
	struct dirent *entry;
	size_t count = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.') {
			continue;
		}
		assert_true(count < max);
		snprintf(paths_r[count++], 256, "%s/%.100s", scratch->journal,
			 entry->d_name);
	}
	if (dir != NULL) {
		closedir(dir);
	}
	return count;
}

static int remove_scratch(void **state)
{
	struct scratch *scratch = *state;
	char paths[256][256];
	size_t count = list(scratch, paths, 256);

	for (size_t i = 0; i < count; i++) {
		unlink(paths[i]);
	}
	rmdir(scratch->journal);
	rmdir(scratch->dir);
	free(scratch);
	return 0;
}

static void open_journal(const struct scratch *scratch, uint64_t max_bytes,
			 struct journal *journal_r)
{
	struct error err = { "" };

	if (journal_open(journal_r, scratch->journal, max_bytes, &err) < 0) {
		fail_msg("%s", err.text);
	}
}

static void append_number(struct journal *journal, int number)
{
	char text[32];

	snprintf(text, sizeof(text), "entry %d", number);
	assert_int_equal(journal_append(journal, span_str(text), NULL), 0);
}

/* Take the next segment and check that it holds first, first + 1, ...; return
   how many. -1 when there is no segment. */
static int take_numbers(struct journal *journal, int first)
{
	struct strbuf frames = STRBUF_INIT(JOURNAL_SEGMENT_MAX);
	uint64_t torn;
	struct span rest;
	struct span entry;
	int count = -1;

	if (journal_take(journal, &frames, &torn, NULL) == 1) {
		rest = strbuf_span(&frames);
		for (count = 0; journal_next_entry(&rest, &entry); count++) {
			char text[32];

			snprintf(text, sizeof(text), "entry %d", first + count);
			assert_true(span_eq(entry, span_str(text)));
		}
		assert_int_equal(rest.len, 0);
	}
	strbuf_finish(&frames);
	return count;
}

static void what_went_in_comes_out_in_order(void **state)
{
	struct journal journal;

	open_journal(*state, MIB, &journal);
	assert_int_equal(take_numbers(&journal, 0), -1);
	for (int i = 0; i < 100; i++) {
		append_number(&journal, i);
	}
	assert_int_equal(journal_sync(&journal, NULL), 0);
	assert_int_equal(take_numbers(&journal, 0), 100);
	/* New entries go to a new segment while the old is replayed. */
	append_number(&journal, 100);
	journal_done(&journal);
	assert_int_equal(take_numbers(&journal, 100), 1);
	journal_done(&journal);
	assert_int_equal(take_numbers(&journal, 0), -1);
	assert_int_equal(journal_bytes(&journal), 0);
	journal_close(&journal);
}

static void what_was_given_back_is_taken_again(void **state)
{
	struct journal journal;

	open_journal(*state, MIB, &journal);
	append_number(&journal, 0);
	assert_int_equal(take_numbers(&journal, 0), 1);
	journal_give_back(&journal);
	append_number(&journal, 1);
	assert_int_equal(take_numbers(&journal, 0), 1);
	journal_done(&journal);
	assert_int_equal(take_numbers(&journal, 1), 1);
	journal_done(&journal);
	journal_close(&journal);
}

static void a_living_process_keeps_its_segment(void **state)
{
	struct journal one;
	struct journal other;

	open_journal(*state, MIB, &one);
	open_journal(*state, MIB, &other);
	append_number(&one, 0);
	assert_int_equal(take_numbers(&other, 0), -1);
	journal_close(&one);
	assert_int_equal(take_numbers(&other, 0), 1);
	journal_done(&other);
	journal_close(&other);
}

static void what_a_killed_process_left_is_replayed(void **state)
{
	struct journal journal;
	pid_t child;
	int status;

	child = fork();
	if (child == 0) {
		open_journal(*state, MIB, &journal);
		append_number(&journal, 0);
		append_number(&journal, 1);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	open_journal(*state, MIB, &journal);
	assert_int_equal(take_numbers(&journal, 0), 2);
	journal_done(&journal);
	journal_close(&journal);
}

static void a_full_journal_refuses_and_keeps_the_rest(void **state)
{
	struct journal journal;
	char big[1000];
	struct error err;
	int kept = 0;

	memset(big, 'x', sizeof(big));
	open_journal(*state, 10000, &journal);
	while (journal_append(&journal, span_of(big, sizeof(big)), &err) == 0) {
		kept++;
	}
	assert_int_equal(kept, 9);
	assert_non_null(strstr(err.text, "full"));
	assert_true(journal_bytes(&journal) <= 10000);
	/* There is room again once some of it was replayed. */
	{
		struct strbuf frames = STRBUF_INIT(JOURNAL_SEGMENT_MAX);
		uint64_t torn;

		assert_int_equal(journal_take(&journal, &frames, &torn, NULL),
				 1);
		journal_done(&journal);
		strbuf_finish(&frames);
	}
	assert_int_equal(
		journal_append(&journal, span_of(big, sizeof(big)), NULL), 0);
	journal_close(&journal);
}

static void large_entries_fill_several_segments(void **state)
{
	struct journal journal;
	struct strbuf frames = STRBUF_INIT(JOURNAL_SEGMENT_MAX);
	struct span entry = { calloc(1, 3 * MIB), 3 * MIB };
	uint64_t torn;
	int segments = 0;
	int entries = 0;

	open_journal(*state, 64 * MIB, &journal);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(journal_append(&journal, entry, NULL), 0);
	}
	while (journal_take(&journal, &frames, &torn, NULL) == 1) {
		struct span rest = strbuf_span(&frames);
		struct span got;

		while (journal_next_entry(&rest, &got)) {
			assert_int_equal(got.len, entry.len);
			entries++;
		}
		segments++;
		journal_done(&journal);
	}
	assert_int_equal(entries, 5);
	assert_int_equal(segments, 3);
	entry.len = JOURNAL_ENTRY_MAX + 1;
	assert_int_equal(journal_append(&journal, entry, NULL), -1);
	free((char *)entry.ptr);
	strbuf_finish(&frames);
	journal_close(&journal);
}

/* One segment with three entries, as a file in memory. */
static struct strbuf make_segment(struct scratch *scratch)
{
	struct journal journal;
	struct strbuf bytes = STRBUF_INIT(65536);
	char paths[4][256];
	int fd;

	open_journal(scratch, MIB, &journal);
	for (int i = 0; i < 3; i++) {
		append_number(&journal, i);
	}
	journal_close(&journal);
	assert_int_equal(list(scratch, paths, 4), 1);
	fd = open(paths[0], O_RDONLY);
	bytes.len = (size_t)read(fd, strbuf_reserve(&bytes, 4096), 4096);
	close(fd);
	unlink(paths[0]);
	return bytes;
}

static void put_segment(const struct scratch *scratch, struct span bytes)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/0123456789abcdef-1-0.journal",
		 scratch->journal);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, bytes.ptr, bytes.len), bytes.len);
	close(fd);
}

static void a_segment_torn_at_any_byte_gives_its_whole_entries(void **state)
{
	struct scratch *scratch = *state;
	struct strbuf whole = make_segment(scratch);
	/* "postern-journal 1\n", then three frames of equal size. */
	size_t head = 18;
	size_t frame = (whole.len - head) / 3;

	for (size_t len = 0; len <= whole.len; len++) {
		struct journal journal;
		struct strbuf frames = STRBUF_INIT(JOURNAL_SEGMENT_MAX);
		struct span rest;
		struct span entry;
		uint64_t torn;
		size_t wanted = len < head ? 0 : (len - head) / frame;
		size_t got = 0;

		put_segment(scratch, span_of(whole.ptr, len));
		open_journal(scratch, MIB, &journal);
		assert_int_equal(journal_take(&journal, &frames, &torn, NULL),
				 1);
		rest = strbuf_span(&frames);
		while (journal_next_entry(&rest, &entry)) {
			got++;
		}
		assert_int_equal(got, wanted);
		assert_int_equal(
			torn, len < head ? len : len - head - wanted * frame);
		journal_done(&journal);
		journal_close(&journal);
		strbuf_finish(&frames);
	}
	strbuf_finish(&whole);
}

static void a_changed_byte_ends_the_segment_there(void **state)
{
	struct scratch *scratch = *state;
	struct strbuf whole = make_segment(scratch);
	size_t head = 18;
	size_t frame = (whole.len - head) / 3;

	for (size_t at = 0; at < whole.len; at++) {
		struct journal journal;
		struct strbuf frames = STRBUF_INIT(JOURNAL_SEGMENT_MAX);
		struct span rest;
		struct span entry;
		uint64_t torn;
		size_t wanted = at < head ? 0 : (at - head) / frame;
		size_t got = 0;

		whole.ptr[at] ^= 0x20;
		put_segment(scratch, strbuf_span(&whole));
		whole.ptr[at] ^= 0x20;
		open_journal(scratch, MIB, &journal);
		assert_int_equal(journal_take(&journal, &frames, &torn, NULL),
				 1);
		rest = strbuf_span(&frames);
		while (journal_next_entry(&rest, &entry)) {
			got++;
		}
		assert_int_equal(got, wanted);
		journal_done(&journal);
		journal_close(&journal);
		strbuf_finish(&frames);
	}
	strbuf_finish(&whole);
}

static void what_cannot_be_read_does_not_stand_in_the_way(void **state)
{
	struct scratch *scratch = *state;
	struct journal journal;
	struct strbuf frames = STRBUF_INIT(JOURNAL_SEGMENT_MAX);
	char path[256];
	uint64_t torn;
	int fd;

	open_journal(scratch, 64 * MIB, &journal);
	snprintf(path, sizeof(path), "%s/0000000000000000-1-0.journal",
		 scratch->journal);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(ftruncate(fd, JOURNAL_SEGMENT_MAX + 1), 0);
	close(fd);
	append_number(&journal, 0);
	assert_int_equal(journal_take(&journal, &frames, &torn, NULL), -1);
	assert_int_equal(take_numbers(&journal, 0), 1);
	journal_done(&journal);
	journal_close(&journal);
	strbuf_finish(&frames);
}

static void other_files_are_left_alone(void **state)
{
	struct scratch *scratch = *state;
	struct journal journal;
	char path[256];
	int fd;

	open_journal(scratch, MIB, &journal);
	snprintf(path, sizeof(path), "%s/notes.txt", scratch->journal);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_int_equal(take_numbers(&journal, 0), -1);
	assert_int_equal(access(path, F_OK), 0);
	journal_close(&journal);
}

static void a_directory_that_cannot_be_is_refused(void **state)
{
	struct journal journal;
	struct error err;

	(void)state;
	assert_int_equal(journal_open(&journal, "/dev/null/journal", MIB, &err),
			 -1);
	assert_non_null(strstr(err.text, "/dev/null/journal"));
}

static void a_full_disk_loses_only_what_does_not_fit(void **state)
{
	struct scratch *scratch = *state;
	struct journal journal;
	char big[1000];
	pid_t child;
	int status;

	memset(big, 'x', sizeof(big));
	/* RLIMIT_FSIZE stops writes as a full disk does: partly, then not at
	   all. In a child, because it cannot be raised again. */
	child = fork();
	if (child == 0) {
		struct rlimit limit = { 2500, 2500 };
		bool good;

		signal(SIGXFSZ, SIG_IGN);
		open_journal(scratch, MIB, &journal);
		append_number(&journal, 0);
		setrlimit(RLIMIT_FSIZE, &limit);
		good = journal_append(&journal, span_of(big, 1000), NULL) ==
			       0 &&
		       journal_append(&journal, span_of(big, 1000), NULL) ==
			       0 &&
		       journal_append(&journal, span_of(big, 1000), NULL) ==
			       -1 &&
		       journal_append(&journal, SPAN("small"), NULL) == 0 &&
		       journal_sync(&journal, NULL) == 0;
		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	open_journal(scratch, MIB, &journal);
	{
		struct strbuf frames = STRBUF_INIT(JOURNAL_SEGMENT_MAX);
		struct span rest;
		struct span entry = { NULL, 0 };
		uint64_t torn;
		int count = 0;

		assert_int_equal(journal_take(&journal, &frames, &torn, NULL),
				 1);
		rest = strbuf_span(&frames);
		while (journal_next_entry(&rest, &entry)) {
			count++;
		}
		assert_int_equal(count, 4);
		assert_true(span_eq(entry, SPAN("small")));
		assert_int_equal(torn, 0);
		journal_done(&journal);
		strbuf_finish(&frames);
	}
	journal_close(&journal);
}

#define JOURNAL_TEST(name)                                                     \
	cmocka_unit_test_setup_teardown(name, make_scratch, remove_scratch)

int main(void)
{
	const struct CMUnitTest tests[] = {
		JOURNAL_TEST(what_went_in_comes_out_in_order),
		JOURNAL_TEST(what_was_given_back_is_taken_again),
		JOURNAL_TEST(a_living_process_keeps_its_segment),
		JOURNAL_TEST(what_a_killed_process_left_is_replayed),
		JOURNAL_TEST(a_full_journal_refuses_and_keeps_the_rest),
		JOURNAL_TEST(large_entries_fill_several_segments),
		JOURNAL_TEST(
			a_segment_torn_at_any_byte_gives_its_whole_entries),
		JOURNAL_TEST(a_changed_byte_ends_the_segment_there),
		JOURNAL_TEST(what_cannot_be_read_does_not_stand_in_the_way),
		JOURNAL_TEST(other_files_are_left_alone),
		JOURNAL_TEST(a_directory_that_cannot_be_is_refused),
		JOURNAL_TEST(a_full_disk_loses_only_what_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
